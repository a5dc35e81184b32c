"""Probes on kept rows, and the division into what they learn from and what they are asked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_cards.errors import BadInputError
from selector.prune.probe import accuracy, split_rows


def names(count):
    return np.array([f"row-{n}" for n in range(count)], dtype=object)


def blobs(rng, count, dim=8, classes=3, spread=0.3):
    centres = rng.standard_normal((classes, dim))
    own = np.arange(count) % classes
    rows = centres[own] + spread * rng.standard_normal((count, dim))
    return rows.astype(np.float32), own * 7  # numbers need not be consecutive


@pytest.mark.parametrize("probe", ["linear", "knn"])
def test_what_lies_apart_is_told_apart(probe):
    rng = np.random.default_rng(0)
    rows, classes = blobs(rng, 120, spread=0.05)
    train, test = np.arange(60), np.arange(60, 120)
    assert accuracy(rows, classes, train, test, probe=probe) == 1.0
    wrong = classes.copy()
    wrong[60:] = 99  # a class that was never seen
    assert accuracy(rows, wrong, train, test, probe=probe) == 0.0


@pytest.mark.parametrize("probe", ["linear", "knn"])
def test_order_and_lengths_change_nothing(probe):
    rng = np.random.default_rng(1)
    rows, classes = blobs(rng, 200, spread=1.0)
    train, test = np.arange(120), np.arange(120, 200)
    right = accuracy(rows, classes, train, test, probe=probe)
    assert 0.34 < right < 1.0
    assert accuracy(rows * 3.5, classes, train[::-1], test[::-1], probe=probe) == right


def test_neighbours_vote_as_by_hand():
    angles = np.deg2rad([0, 5, 10, 90, 95, 100, 40])
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    classes = np.array([0, 0, 0, 1, 1, 1, 0])
    # five nearest of 40 degrees: 10, 5, 0, 90, 95
    assert accuracy(rows, classes, np.arange(6), np.array([6]), probe="knn") == 1.0
    assert accuracy(rows, 1 - classes, np.arange(6), np.array([6]), probe="knn") == 1.0


def test_nothing_to_learn_from():
    with pytest.raises(BadInputError, match="0 rows to train on"):
        accuracy(np.eye(3), np.zeros(3, int), np.zeros(0, int), np.arange(3))
    with pytest.raises(BadInputError, match="unknown probe"):
        accuracy(np.eye(3), np.zeros(3, int), np.arange(1), np.arange(1, 3), probe="deep")


@given(st.integers(1, 60), st.integers(1, 5), st.integers(0, 1000), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_division_is_one(count, classes, seed, grouped):
    rng = np.random.default_rng(seed)
    own = rng.integers(-1, classes, count)
    usable = rng.random(count) < 0.9
    groups = rng.integers(0, 6, count) if grouped else None
    train, test = split_rows(names(count), own, usable, groups=groups, seed=seed)
    both = np.concatenate([train, test])
    assert sorted(both) == np.flatnonzero(usable & (own >= 0)).tolist()
    if grouped:
        assert not set(groups[train]) & set(groups[test])
    else:
        for number in range(classes):
            here = int((usable & (own == number)).sum())
            assert int((own[test] == number).sum()) == int(0.2 * here)
    order = rng.permutation(count)
    moved = split_rows(
        names(count)[order], own[order], usable[order],
        groups=None if groups is None else groups[order], seed=seed,
    )  # fmt: skip
    assert [order[part].tolist() for part in moved] == [train.tolist(), test.tolist()]
