import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.encoders.evaluate_embedded import METRICS, intervals, per_picture, small_gallery, table


def unit(rows):
    rows = np.asarray(rows, float)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_worked_by_hand():
    captions = unit([[1, 0], [0, 1], [-1, 0]])
    images = unit([[1, 0.1], [-1, 0.1]])
    figures = per_picture(images, captions, np.array([0, 1]), ["a", "a"])
    # Picture 0 finds its caption first; picture 1 finds it second of three.
    assert figures[0].tolist() == [1, 1, 1, 1, 1]
    # Among captions 0 and 1, those of its source, picture 1's own is nearer.
    assert figures[1].tolist() == [0, 1, 1, 0.5, 1]


def test_ties_are_no_success():
    captions = np.ones((20, 1))
    figures = per_picture(np.ones((1, 1)), captions, np.array([3]), ["a"])
    assert figures[0, :3].tolist() == [0, 0, 0]
    assert figures[0, 3] == 0.5
    assert np.isnan(figures[0, 4])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_equals_the_naive_count(seed):
    rng = np.random.default_rng(seed)
    images, captions = unit(rng.normal(size=(12, 4))), unit(rng.normal(size=(7, 4)))
    gold, sources = rng.integers(0, 7, 12), rng.choice(["a", "b"], 12).tolist()
    figures = per_picture(images, captions, gold, sources)
    for row in range(12):
        scores = captions @ images[row]
        others = [c for c in range(7) if c != gold[row]]
        rank = sum(scores[c] >= scores[gold[row]] for c in others)
        assert figures[row, :3].tolist() == [rank < 1, rank < 5, rank < 10]
        assert figures[row, 3] == pytest.approx(1 - rank / 6)
        same = {gold[r] for r in range(12) if sources[r] == sources[row]} - {gold[row]}
        if same:
            share = sum(scores[c] < scores[gold[row]] for c in same) / len(same)
            assert figures[row, 4] == pytest.approx(share)
        else:
            assert np.isnan(figures[row, 4])


def test_a_whole_gallery_drawn_is_the_whole_gallery():
    rng = np.random.default_rng(1)
    images, captions = unit(rng.normal(size=(30, 5))), unit(rng.normal(size=(9, 5)))
    gold = rng.integers(0, 9, 30)
    whole = per_picture(images, captions, gold, ["a"] * 30)
    drawn = small_gallery(images, captions, gold, ["a"] * 30, size=9, draws=2)
    np.testing.assert_allclose(whole, drawn)
    fewer = small_gallery(images, captions, gold, ["a"] * 30, size=3, draws=20)
    assert np.nanmean(fewer[:, 0]) > whole[:, 0].mean()


def test_intervals_hold_the_mean_and_shrink():
    rng = np.random.default_rng(2)
    figures = rng.random((400, 5))
    gold = np.arange(400) // 2
    few, many = intervals(figures[:100], gold[:100]), intervals(figures, gold)
    for column, name in enumerate(METRICS):
        assert many[name]["value"] == pytest.approx(figures[:, column].mean())
        assert many[name]["low"] < many[name]["value"] < many[name]["high"]
        assert many[name]["high"] - many[name]["low"] < few[name]["high"] - few[name]["low"]
    assert table({"x": many}).count("|") == 3 * 7


def test_pictures_of_one_caption_are_drawn_together():
    figures = np.tile([[1.0] * 5, [0.0] * 5], (50, 1)).reshape(100, 5)
    together = intervals(figures, np.repeat(np.arange(50), 2))
    apart = intervals(figures, np.arange(100))
    assert together["AUC"]["high"] - together["AUC"]["low"] == pytest.approx(0)
    assert apart["AUC"]["high"] - apart["AUC"]["low"] > 0.1
