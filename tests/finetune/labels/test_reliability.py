"""Reliability against a hand-worked table, and worth against known rankings."""

import numpy as np
import pytest

from finetune.labels.reliability import reliability
from finetune.labels.worth import FEWEST, spearman, worth


def test_the_published_example():
    """Six targets, four judges: ICC(1,1) is .17 (Shrout & Fleiss 1979, table 4)."""
    table = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    found = reliability([np.array(row) for row in table])
    assert found is not None and round(found.value, 2) == 0.17
    assert found.groups == 6 and found.outcomes == 24
    assert round(found.low, 2) == -0.13 and round(found.high, 2) == 0.72


def test_variances_come_back():
    generator = np.random.default_rng(0)
    rows = [2.0 * generator.standard_normal() + generator.standard_normal(4) for _ in range(400)]
    found = reliability(rows)
    assert found.value == pytest.approx(0.8, abs=0.04)
    assert found.between == pytest.approx(2, abs=0.2) and found.within == pytest.approx(1, abs=0.1)
    assert found.low < 0.8 < found.high


def test_repeats_of_different_number_and_groups_without():
    found = reliability([np.array([1.0, 1.2]), np.array([3.0, 3.1, 2.9]), np.array([5.0])])
    assert found.groups == 2 and found.outcomes == 5 and found.value > 0.9
    assert reliability([np.array([1.0, 2.0]), np.array([1.0])]) is None
    assert reliability([np.array([1.0, 1.0]), np.array([2.0, 2.0])]).value == 1.0


def test_worth_of_the_truth_of_its_opposite_and_of_the_mean():
    generator = np.random.default_rng(1)
    effect = generator.standard_normal(100)
    groups = [generator.choice(100, 10, replace=False) for _ in range(30)]
    outcomes = np.array([effect[rows].mean() for rows in groups])
    found = worth(effect, groups, outcomes)
    assert found.score == pytest.approx(1) and found.subsets == 30
    assert worth(-effect, groups, outcomes).score == pytest.approx(-1)
    assert np.isnan(worth(np.zeros(100), groups, outcomes).score)
    noise = worth(generator.standard_normal(100), groups, outcomes)
    assert noise.low < 0 < noise.high


def test_unknown_scores_do_not_count():
    effect = np.arange(20.0)
    groups = [np.array([n, n + 1]) for n in range(0, 20, 2)]
    outcomes = np.arange(10.0)
    effect[::2] = np.nan
    assert worth(effect, groups, outcomes).score == pytest.approx(1)


def test_ranks_with_ties_are_those_of_scipy():
    from scipy.stats import spearmanr

    generator = np.random.default_rng(2)
    first, second = generator.integers(0, 4, 30), generator.integers(0, 4, 30)
    assert spearman(first, second) == pytest.approx(spearmanr(first, second).statistic)


def test_too_few_fresh_subsets_give_no_interval():
    effect = np.arange(40.0)
    groups = [np.array([n, n + 1]) for n in range(0, 2 * FEWEST, 2)]
    outcomes = np.array([effect[rows].mean() for rows in groups])
    enough = worth(effect, groups, outcomes)
    assert enough.low <= enough.score <= enough.high
    few = worth(effect, groups[:-1], outcomes[:-1])
    assert few.score == pytest.approx(1) and np.isnan(few.low) and np.isnan(few.high)
