"""Designs: sizes, determinism under permutation, the exact transport, spread of the metrics."""

import itertools

import numpy as np
import pytest

from data_cards import BadInputError
from finetune.labels.groups import clusters, designed_subsets, random_subsets


def names_of(group, ids):
    return {ids[row] for row in group.rows}


IDS = [f"s{number}" for number in range(60)]


def test_clusters_have_equal_sizes_and_share_nothing():
    points = np.random.default_rng(0).standard_normal((62, 4))
    ids = [f"s{number}" for number in range(62)]
    found = clusters(ids, points, 6)
    assert [len(group.rows) for group in found] == [10] * 6
    everything = np.concatenate([group.rows for group in found])
    assert len(set(everything.tolist())) == 60


def test_the_assignment_is_the_cheapest_of_equal_sizes():
    """Against all divisions of six points into two groups of three, by hand."""
    points = np.array([[0.0], [1], [2], [3], [10], [11]])
    found = clusters([str(n) for n in range(6)], points, 2)
    centres = [1.5, 10.5]  # k-means' own, of four and two points

    def cost(part):
        rest = [row for row in range(6) if row not in part]
        return ((points[list(part)] - centres[0]) ** 2).sum() + (
            (points[rest] - centres[1]) ** 2
        ).sum()

    best = min(itertools.combinations(range(6), 3), key=cost)
    assert {tuple(group.rows) for group in found} == {best, (3, 4, 5)} and best == (0, 1, 2)


def test_the_order_of_the_pool_changes_nothing():
    generator = np.random.default_rng(1)
    points = generator.standard_normal((60, 3))
    content = generator.integers(0, 3, 60)
    turned = generator.permutation(60)
    again = [IDS[row] for row in turned]
    pairs = [
        (clusters(IDS, points, 4), clusters(again, points[turned], 4)),
        (random_subsets(IDS, 9, 8), random_subsets(again, 9, 8)),
        (
            designed_subsets(IDS, points, "abc", content, 6, 10),
            designed_subsets(again, points[turned], "abc", content[turned], 6, 10),
        ),
    ]
    for first, second in pairs:
        assert {frozenset(names_of(g, IDS)) for g in first} == {
            frozenset(names_of(g, again)) for g in second
        }


def test_random_subsets_use_every_sample_alike():
    found = random_subsets(IDS, 17, 7)
    assert all(len(set(group.rows.tolist())) == 7 for group in found)
    counts = np.bincount(np.concatenate([group.rows for group in found]), minlength=60)
    assert counts.max() - counts.min() <= 1
    assert len({tuple(group.rows) for group in found}) == 17
    other = random_subsets(IDS, 17, 7, name="fresh")
    assert {tuple(g.rows) for g in found}.isdisjoint({tuple(g.rows) for g in other})


def test_designed_subsets_differ_in_metrics_and_not_in_content():
    generator = np.random.default_rng(2)
    ids = [f"s{number}" for number in range(1200)]
    features = generator.standard_normal((1200, 4))
    content = generator.integers(0, 6, 1200)
    drawn = random_subsets(ids, 30, 60)
    made = designed_subsets(ids, features, ["a", "b", "c", "d"], content, 30, 60)

    def spread(groups):
        return np.std([features[group.rows].mean(0) for group in groups], axis=0)

    assert (spread(made) > 3 * spread(drawn)).all()
    share = np.array([np.bincount(content[g.rows], minlength=6) for g in made])
    assert np.ptp(share, axis=0).max() == 0
    assert all(len(group.rows) == 60 and group.about for group in made)
    assert len({tuple(group.rows) for group in made}) == 30


@pytest.mark.parametrize(("count", "size"), [(0, 5), (3, 1), (3, 61)])
def test_impossible_designs_are_refused(count, size):
    with pytest.raises(BadInputError):
        random_subsets(IDS, count, size)


def test_no_metric_no_design():
    with pytest.raises(BadInputError, match="no metric"):
        designed_subsets(IDS, np.empty((60, 0)), [], np.zeros(60, int), 3, 5)
