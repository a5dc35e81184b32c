import numpy as np
import pytest

import selector.duplicates as module
from data_cards.errors import BadInputError
from selector.duplicates import NearDuplicate, PickedVectors, exact_keepers


def test_exact_copies_leave_the_best() -> None:
    content = np.array(["a", "b", "a", None, None, "b"], dtype=object)
    kept, keeper = exact_keepers(content, np.array([5, 2, 4, 0, 3, 1]))
    assert kept.tolist() == [5, 2, 4, 3]
    assert keeper.tolist() == [5, 2, 4, 2, 3, 5]


@pytest.mark.parametrize("keys", [[1, 2, 1], [b"x", b"y", b"x"], ["x", "y", "x"]])
def test_any_kind_of_key(keys: list) -> None:
    kept, keeper = exact_keepers(np.array(keys, dtype=object), np.arange(3))
    assert kept.tolist() == [0, 1] and keeper.tolist() == [0, 1, 0]


def test_unknown_content_collapses_nothing() -> None:
    kept, keeper = exact_keepers(None, np.array([2, 0]))
    assert kept.tolist() == keeper.tolist() == [2, 0]


def _pair(make_pool, image: list, text: list, thresholds: NearDuplicate) -> tuple[int, float]:
    pool = make_pool(
        2,
        image_vectors=np.array(image, dtype=np.float32),
        text_vectors=np.array(text, dtype=np.float32),
    )
    picked = PickedVectors(pool, 1, thresholds)
    picked.add(0, picked.load(np.array([0])), 0)
    rival, similarity = picked.nearest(picked.load(np.array([1])))
    return int(rival[0]), float(similarity[0])


NAN = [np.nan, np.nan]


def test_both_modalities_must_be_near(make_pool) -> None:
    near = [[1, 0], [0.8, 0.6]]  # cosine 0.8
    same, far = [[1, 0], [1, 0]], [[1, 0], [0, 1]]
    limits = NearDuplicate(0.75, 0.75)
    rival, similarity = _pair(make_pool, same, near, limits)
    assert rival == 0 and similarity == pytest.approx(0.8)
    assert _pair(make_pool, same, far, limits)[0] == -1  # one image, another question
    assert _pair(make_pool, far, same, limits)[0] == -1
    assert _pair(make_pool, same, near, NearDuplicate(0.75, 0.85))[0] == -1


def test_missing_modalities(make_pool) -> None:
    same, limits = [[1, 0], [1, 0]], NearDuplicate()
    assert _pair(make_pool, [NAN, NAN], same, limits)[0] == 0  # two texts, alike
    assert _pair(make_pool, [NAN, [1, 0]], same, limits)[0] == -1  # one of them has an image
    assert _pair(make_pool, [NAN, NAN], [NAN, NAN], limits)[0] == -1  # nothing is known


def test_equal_vectors_reach_a_threshold_of_one(make_pool) -> None:
    v = np.random.default_rng(0).standard_normal(300)
    assert _pair(make_pool, [v, v], [v, v], NearDuplicate(1.0, 1.0))[0] == 0


def test_equals_naive_in_any_chunking(make_pool, monkeypatch) -> None:
    pool = make_pool(120, noise=0.3)
    picks, rest = np.arange(40), np.arange(40, 120)
    limits = NearDuplicate(0.8, 0.7)

    def run() -> tuple[list, list]:
        picked = PickedVectors(pool, 40, limits)
        loaded = picked.load(picks)
        for at, row in enumerate(picks):
            picked.add(int(row), loaded, at)
        rival, similarity = picked.nearest(picked.load(rest))
        return rival.tolist(), similarity.tolist()

    rival, similarity = run()
    image = pool.image_vectors.astype(float)
    text = pool.text_vectors.astype(float)
    image /= np.linalg.norm(image, axis=1, keepdims=True)
    text /= np.linalg.norm(text, axis=1, keepdims=True)
    for at, row in enumerate(rest):
        near = [
            (min(image[row] @ image[p], text[row] @ text[p]), p)
            for p in picks
            if image[row] @ image[p] >= 0.8 and text[row] @ text[p] >= 0.7
        ]
        assert rival[at] == (max(near)[1] if near else -1)
        if near:
            assert similarity[at] == pytest.approx(max(near)[0], abs=1e-5)
    assert 5 < sum(r >= 0 for r in rival) < 80
    monkeypatch.setattr(module, "PICKS_AT_ONCE", 7)
    assert run()[0] == rival


def test_threshold_range() -> None:
    with pytest.raises(BadInputError):
        NearDuplicate(image=1.2)
    with pytest.raises(BadInputError):
        NearDuplicate(text=float("nan"))
