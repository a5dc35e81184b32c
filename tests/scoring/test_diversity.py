import time

import numpy as np
import pytest

from scoring.metric import Models, Pool
from scoring.metrics import diversity
from scoring.metrics.diversity import Diversity, exact_neighbours


def unit(matrix):
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def make(n=400, dim=24, groups=8, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(groups, dim))
    member = rng.integers(0, groups, n)
    image = unit(centres[member] + 0.2 * rng.normal(size=(n, dim))).astype(np.float16)
    text = unit(centres[member][:, ::-1] + 0.2 * rng.normal(size=(n, dim))).astype(np.float16)
    return [f"id {i}" for i in range(n)], image, text, member


def score(ids, image, text, status=None, seed=0):
    pool = Pool(ids, lambda: iter(()), image, text, status or ["ok"] * len(ids), seed)
    return Diversity(Models("m")).score(pool), pool


def test_worked_by_hand():
    image = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float16)
    text = np.array([[1, 0], [0, 1], [0, 1]], dtype=np.float16)
    scores, _ = score(["a", "b", "c"], image, text)
    # Joint cosines: a-b (1 + 0)/2, a-c 0, b-c (0 + 1)/2.
    np.testing.assert_allclose(scores.columns["nearest_distance"], [0.5, 0.5, 0.5], atol=1e-6)
    np.testing.assert_allclose(scores.columns["local_density"], [0.25, 0.5, 0.25], atol=1e-6)


def test_equals_the_plain_way():
    ids, image, text, _ = make()
    scores, _ = score(ids, image, text)
    both = np.concatenate([unit(image.astype(np.float32)), unit(text.astype(np.float32))], axis=1)
    cosines = unit(both.astype(np.float64)) @ unit(both.astype(np.float64)).T
    np.fill_diagonal(cosines, -np.inf)
    top = np.sort(cosines, axis=1)[:, ::-1][:, :10]
    np.testing.assert_allclose(scores.columns["nearest_distance"], 1 - top[:, 0], atol=1e-5)
    np.testing.assert_allclose(scores.columns["local_density"], top.mean(1), atol=1e-5)


def test_a_copy_is_at_distance_zero():
    ids, image, text, _ = make(n=50)
    image[7], text[7] = image[31], text[31]
    scores, _ = score(ids, image, text)
    nearest = scores.columns["nearest_distance"]
    assert nearest[[7, 31]] == pytest.approx(0.0, abs=1e-5)
    assert np.delete(nearest, [7, 31]).min() > 1e-3


def test_the_order_of_rows_changes_nothing():
    ids, image, text, _ = make()
    first, _ = score(ids, image, text)
    order = np.random.default_rng(1).permutation(len(ids))
    second, _ = score([ids[i] for i in order], image[order], text[order])
    for name in ("nearest_distance", "local_density"):
        np.testing.assert_allclose(second.columns[name], first.columns[name][order], atol=1e-6)
    cluster = first.columns["diversity_cluster"]
    assert second.columns["diversity_cluster"] == [cluster[i] for i in order]


def test_clusters_are_numbered_from_the_largest_and_do_not_mix_groups():
    ids, image, text, member = make()
    scores, pool = score(ids, image, text)
    cluster = np.array(scores.columns["diversity_cluster"])
    sizes = np.bincount(cluster)
    assert (np.diff(sizes) <= 0).all()
    assert len(pool.artefacts["diversity_centroids"]) == len(sizes)
    assert all(len(set(member[cluster == number])) == 1 for number in range(len(sizes)))


def test_rows_without_vectors_are_null():
    ids, image, text, _ = make(n=30)
    image[0] = text[0] = np.nan
    image[1] = np.nan  # text only: still a sample
    scores, _ = score(ids, image, text, ["ok", "ok", "bad"] + ["ok"] * 27)
    nearest = scores.columns["nearest_distance"]
    assert np.isnan(nearest[[0, 2]]).all()
    assert np.isfinite(np.delete(nearest, [0, 2])).all()
    assert scores.columns["diversity_cluster"][0] is None
    assert scores.columns["diversity_cluster"][1] is not None
    assert scores.notes[:4] == ["no vector", None, "no vector", None]


@pytest.mark.parametrize(
    ("n", "notes"), [(0, []), (1, ["no other row to compare with"]), (2, [None, None])]
)
def test_tiny_pools(n, notes):
    ids, image, text, _ = make(n=3)
    scores, _ = score(ids[:n], image[:n], text[:n])
    assert scores.notes == notes
    assert np.isfinite(scores.columns["nearest_distance"]).all() == (n != 1)
    assert scores.columns["diversity_cluster"] == [0] * n


def test_equal_rows():
    ids, image, _, _ = make(n=40)
    image[:] = image[0]
    scores, _ = score(ids, image, None)
    np.testing.assert_allclose(scores.columns["nearest_distance"], 0.0, atol=1e-5)
    assert set(scores.columns["diversity_cluster"]) == {0}


def test_cells_come_close_to_exact(monkeypatch):
    ids, image, text, _ = make(n=3000, groups=40)
    exact, _ = score(ids, image, text)
    monkeypatch.setattr(diversity, "_EXACT", 1000)
    monkeypatch.setattr(diversity, "_CELL_ROWS", 60)
    cells, _ = score(ids, image, text)
    gap = cells.columns["nearest_distance"] - exact.columns["nearest_distance"]
    assert gap.min() > -1e-5  # never nearer than the truth
    assert (gap < 1e-5).mean() > 0.95


def test_quick_on_a_pool_of_the_usual_size():
    rng = np.random.default_rng(0)
    vectors = unit(rng.normal(size=(3400, 768)).astype(np.float32))
    start = time.process_time()
    best = exact_neighbours(vectors)
    assert best.shape == (3400, 10)
    assert time.process_time() - start < 4
