import numpy as np
import pytest

from data_cards.errors import BadInputError
from selector.clusters import cluster, default_cluster_count, given_clusters, renumber


def _rows(pool) -> np.ndarray:
    return np.arange(len(pool))


def test_planted_clusters_are_found(make_pool) -> None:
    rng = np.random.default_rng(0)
    member = np.repeat([0, 1, 2], [60, 30, 10])
    x = np.eye(3)[member] + 0.05 * rng.standard_normal((100, 3))
    pool = make_pool(100, image_vectors=x.astype(np.float32), text=False)
    for algorithm in ("kmeans", "spectral"):
        found = cluster(pool, _rows(pool), 3, space="image", algorithm=algorithm)
        assert found.labels.tolist() == member.tolist()  # numbered by size
        assert found.sizes.tolist() == [60, 30, 10]


@pytest.mark.parametrize("algorithm", ["kmeans", "spectral"])
@pytest.mark.parametrize("space", ["image", "text", "both"])
def test_permuting_rows_permutes_labels(make_pool, permuted, algorithm, space) -> None:
    pool = make_pool(300)
    order = np.random.default_rng(5).permutation(300)
    one = cluster(pool, _rows(pool), 6, space=space, algorithm=algorithm)
    two = cluster(permuted(pool, order), _rows(pool), 6, space=space, algorithm=algorithm)
    assert one.labels[order].tolist() == two.labels.tolist()
    assert one.sizes.tolist() == two.sizes.tolist()


def test_exact_ties_between_centres_do_not_depend_on_row_order(make_pool, permuted) -> None:
    # A grid of points that lie exactly between others: rounding must not decide.
    angle = np.deg2rad(np.arange(0, 360, 15))
    x = np.tile(np.stack([np.cos(angle), np.sin(angle)], axis=1), (20, 1)).astype(np.float32)
    pool = make_pool(len(x), image_vectors=x, text=False)
    one = cluster(pool, _rows(pool), 4, space="image")
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(x))
        two = cluster(permuted(pool, order), _rows(pool), 4, space="image")
        assert one.labels[order].tolist() == two.labels.tolist()


def test_streamed_assignment_equals_naive(make_pool, monkeypatch) -> None:
    import selector.clusters as module

    pool = make_pool(2000)
    whole = cluster(pool, _rows(pool), 7, space="both")
    monkeypatch.setattr(module, "blocks", lambda rows: _small_blocks(rows, 97))
    assert cluster(pool, _rows(pool), 7, space="both").labels.tolist() == whole.labels.tolist()
    monkeypatch.setattr(module, "FIT_ROWS", 500)
    monkeypatch.setattr(module, "MINIBATCH_ROWS", 100)
    sampled = cluster(pool, _rows(pool), 7, space="both")
    assert sampled.sizes.sum() == 2000


def _small_blocks(rows, size):
    return (slice(start, min(start + size, len(rows))) for start in range(0, len(rows), size))


def test_rows_without_vector_form_their_own_cluster(make_pool) -> None:
    pool = make_pool(50)
    pool.image_vectors[7] = np.nan
    pool.image_vectors[31] = np.nan
    found = cluster(pool, _rows(pool), 3, space="image")
    assert found.labels[7] == found.labels[31] == found.without_vector
    assert (found.labels == found.without_vector).sum() == 2
    both = cluster(pool, _rows(pool), 3, space="both")
    assert both.without_vector is None and (both.labels >= 0).all()


def test_text_only_rows_join_their_text_in_both(make_pool) -> None:
    eye = np.eye(2, dtype=np.float32)
    member = np.array([0] * 10 + [1] * 12)
    images, texts = eye[member].copy(), eye[member].copy()
    images[3] = np.nan
    pool = make_pool(22, image_vectors=images, text_vectors=texts)
    found = cluster(pool, _rows(pool), 2, space="both")
    assert found.labels[3] == found.labels[0] != found.labels[15]


def test_only_asked_rows_are_labelled(make_pool) -> None:
    pool = make_pool(40)
    found = cluster(pool, np.array([3, 5, 9, 20]), 2, space="image")
    assert (np.flatnonzero(found.labels >= 0) == [3, 5, 9, 20]).all()


@pytest.mark.parametrize("algorithm", ["kmeans", "spectral"])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 7])
def test_more_clusters_than_rows(make_pool, algorithm, n) -> None:
    pool = make_pool(n)
    found = cluster(pool, _rows(pool), 5, space="image", algorithm=algorithm)
    assert found.sizes.sum() == n and (found.labels >= 0).all() and len(found.sizes) <= 5


def test_identical_vectors_are_one_cluster(make_pool) -> None:
    pool = make_pool(30, image_vectors=np.ones((30, 4), np.float16), text=False)
    assert cluster(pool, _rows(pool), 4, space="image").sizes.tolist() == [30]


def test_no_vector_at_all_is_one_cluster(make_pool) -> None:
    pool = make_pool(9, image_vectors=np.full((9, 4), np.nan, np.float16), text=False)
    found = cluster(pool, _rows(pool), 3, space="image")
    assert found.sizes.tolist() == [9] and found.without_vector == 0


def test_spectral_refuses_large_pools(make_pool, monkeypatch) -> None:
    import selector.clusters as module

    monkeypatch.setattr(module, "SPECTRAL_ROWS", 10)
    with pytest.raises(BadInputError, match="k-means"):
        cluster(make_pool(11), np.arange(11), 2, space="image", algorithm="spectral")


def test_global_random_state_is_left_alone(make_pool) -> None:
    pool = make_pool(60)
    before = np.random.get_state()[1].copy()
    cluster(pool, _rows(pool), 3, space="image")
    cluster(pool, _rows(pool), 3, space="image", algorithm="spectral")
    assert (np.random.get_state()[1] == before).all()


def test_bad_arguments(make_pool) -> None:
    pool = make_pool(5)
    for wrong in ({"count": 0}, {"count": 2, "algorithm": "ward"}, {"count": 2, "image_weight": 2}):
        with pytest.raises(BadInputError):
            cluster(pool, _rows(pool), space="image", **wrong)


def test_given_labels(make_pool) -> None:
    found = given_clusters(np.array([4, 0, 0, 2]), np.array([0, 1, 3]), 4)
    assert found.labels.tolist() == [4, 0, -1, 2]
    assert found.sizes.tolist() == [1, 0, 1, 0, 1]
    for wrong in (np.array([0, 1]), np.array([0, -1, 0, 0]), np.array([0.5, 1, 1, 1])):
        with pytest.raises(BadInputError):
            given_clusters(wrong, np.array([0, 1]), 4)


def test_renumber_by_size_then_by_first_row() -> None:
    labels, sizes, lookup = renumber(np.array([9, 5, 5, -1, 9, 7]))
    assert labels.tolist() == [0, 1, 1, 2, 0, 3]
    assert sizes.tolist() == [2, 2, 1, 1]
    assert lookup == {9: 0, 5: 1, -1: 2, 7: 3}


def test_default_count() -> None:
    assert [default_cluster_count(b, 10_000) for b in (1, 4, 200, 10_000)] == [1, 2, 14, 100]
    assert default_cluster_count(200, 3) == 3
    assert default_cluster_count(200, 0) == 1
