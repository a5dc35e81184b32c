"""Groups stay whole, classes keep their share of rows, and the order of rows plays no part."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_cards import BadInputError
from finetune.reduce.split import refuse_impossible, split_by_class
from selector.coreset import Budget


def grouped(seed, rows=200, classes=4):
    """Groups of very different sizes, some in two classes."""
    rng = np.random.default_rng(seed)
    groups = np.minimum(rng.geometric(0.08, rows), 30) + 31 * rng.integers(0, 3, rows)
    labels = (groups + (rng.random(rows) < 0.1)) % classes
    return np.array([f"r{n}" for n in range(rows)], object), labels, groups


@given(st.integers(0, 1000))
def test_no_group_is_divided_and_no_class_gives_more_than_its_share(seed):
    ids, labels, groups = grouped(seed)
    train, test = split_by_class(ids, labels, groups, seed=seed)
    assert sorted([*train, *test]) == list(range(200))
    assert not set(groups[train]) & set(groups[test])
    given_, sizes = (np.bincount(labels[part], minlength=4) for part in (test, np.arange(200)))
    assert (given_ <= 0.2 * sizes).all()


def test_a_large_group_does_not_take_the_test_with_it():
    labels = np.repeat([0, 1], 100)
    groups = np.r_[np.zeros(90, int), np.arange(1, 111)]  # ninety pictures of a series
    ids = np.array([f"r{n}" for n in range(200)], object)
    for seed in range(5):
        train, test = split_by_class(ids, labels, groups, seed=seed)
        assert len(test) == 10 + 20 and len(train) == 170
        order = np.random.default_rng(seed).permutation(200)
        other, _ = split_by_class(ids[order], labels[order], groups[order], seed=seed)
        assert sorted(order[other]) == train.tolist()


def test_what_cannot_be_had_is_said():
    labels, budgets = np.array([0, 0, 0, 1]), {"2 per class": Budget(per_class=2)}
    with pytest.raises(BadInputError, match="class cat has 1 rows to train on with seed 7"):
        refuse_impossible(labels, np.arange(4), np.arange(1), budgets, 7, ("dog", "cat"))
    with pytest.raises(BadInputError, match="4 rows to train on and 0 to test on"):
        refuse_impossible(labels, np.arange(4), np.arange(0), budgets, 7)
