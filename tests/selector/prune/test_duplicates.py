"""What goes because something like it stays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_cards.errors import BadInputError
from selector.prune.duplicates import find_duplicates, recall


def names(count):
    return np.array([f"row-{n}" for n in range(count)], dtype=object)


def unit(rng, count, dim=16):
    rows = rng.standard_normal((count, dim))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def naive(matrix, labels, distance, limit, chains):
    """One row after the other, hardest first; rows and distances must be without ties."""
    gone = set()
    for cluster in set(labels[labels >= 0]):
        order = sorted(np.flatnonzero(labels == cluster), key=lambda row: -distance[row])
        for place, row in enumerate(order):
            earlier = [o for o in order[:place] if chains or o not in gone]
            if any(matrix[row] @ matrix[other] >= limit - 1e-6 for other in earlier):
                gone.add(row)
    return sorted(gone)


@given(st.integers(0, 10_000), st.booleans(), st.sampled_from([0.0, 0.3, 0.6, 0.9]))
@settings(max_examples=40, deadline=None)
def test_equal_to_the_naive_form(seed, chains, limit):
    rng = np.random.default_rng(seed)
    matrix = unit(rng, 40, 4)
    labels = rng.integers(-1, 3, 40)
    distance = rng.random(40)
    found = find_duplicates(matrix, labels, distance, names(40), threshold=limit, chains=chains)
    assert found.rows.tolist() == naive(matrix, labels, distance, limit, chains)
    assert (labels[found.rows] == labels[found.rivals]).all()
    cosines = np.einsum("ij,ij->i", matrix[found.rows], matrix[found.rivals])
    assert np.allclose(cosines, found.similarity, atol=1e-5)


def test_chains_let_more_go_and_greedy_leaves_a_near_one_for_each():
    angles = np.deg2rad([0.0, 10.0, 20.0, 30.0])
    matrix = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    labels, distance = np.zeros(4, int), np.array([0.4, 0.3, 0.2, 0.1])
    given_ = {"threshold": float(np.cos(np.deg2rad(11)))}
    assert find_duplicates(
        matrix, labels, distance, names(4), chains=True, **given_
    ).rows.tolist() == [1, 2, 3]
    greedy = find_duplicates(matrix, labels, distance, names(4), **given_)
    assert greedy.rows.tolist() == [1, 3] and greedy.rivals.tolist() == [0, 2]


@pytest.mark.parametrize("first", ["hard", "easy", "random"])
def test_of_planted_copies_all_but_one_go_and_the_order_says_which(first):
    rng = np.random.default_rng(3)
    base = unit(rng, 30)
    matrix = np.concatenate([base, base[:5], base[:5]]).astype(np.float16)
    labels = np.zeros(40, int)
    distance = np.concatenate([np.full(30, 0.5), np.full(5, 0.7), np.full(5, 0.1)])
    found = find_duplicates(matrix, labels, distance, names(40), threshold=1.0, first=first)
    assert len(found.rows) == 10
    if first == "hard":
        assert set(range(30, 35)).isdisjoint(found.rows)
    if first == "easy":
        assert set(range(35, 40)).isdisjoint(found.rows)
    shuffled = rng.permutation(40)
    again = find_duplicates(
        matrix[shuffled], labels[shuffled], distance[shuffled], names(40)[shuffled],
        threshold=1.0, first=first,
    )  # fmt: skip
    assert sorted(shuffled[again.rows]) == found.rows.tolist()


def test_a_share_takes_the_nearest_and_exactly_so_many():
    rng = np.random.default_rng(0)
    matrix = unit(rng, 100, 3)
    labels, distance = rng.integers(0, 4, 100), rng.random(100)
    all_of_them = find_duplicates(matrix, labels, distance, names(100), threshold=-1.0, chains=True)
    for share in (0.0, 0.1, 0.37, 0.9):
        found = find_duplicates(matrix, labels, distance, names(100), fraction=share)
        assert len(found.rows) == round(share * 100)
        left = np.setdiff1d(all_of_them.rows, found.rows)
        lookup = dict(zip(all_of_them.rows, all_of_them.similarity, strict=True))
        if len(found.rows):
            assert max((lookup[r] for r in left), default=-1) <= found.threshold + 1e-6
    # the first of each of the four clusters has nothing before it
    assert len(find_duplicates(matrix, labels, distance, names(100), fraction=1.0).rows) == 96


def test_rows_without_a_vector_or_a_cluster_never_go():
    matrix = np.zeros((6, 3), np.float32)
    matrix[:3, 0] = 1.0
    matrix[3, 0] = np.nan
    labels = np.array([0, 0, -1, 0, 0, 0])
    found = find_duplicates(matrix, labels, np.arange(6) / 6, names(6), threshold=0.5)
    assert found.rows.tolist() == [0] and found.rivals.tolist() == [1]


def test_large_clusters_are_gone_through_in_blocks(monkeypatch):
    rng = np.random.default_rng(5)
    matrix = unit(rng, 300, 3)
    labels, distance = np.zeros(300, int), rng.random(300)
    whole = find_duplicates(matrix, labels, distance, names(300), threshold=0.95)
    monkeypatch.setattr("selector.prune.duplicates._BLOCK", 7)
    monkeypatch.setattr("selector.prune.duplicates._EARLIER", 11)
    parts = find_duplicates(matrix, labels, distance, names(300), threshold=0.95)
    assert parts.rows.tolist() == whole.rows.tolist()
    assert parts.rivals.tolist() == whole.rivals.tolist()


def test_recall_tells_what_lies_in_other_clusters():
    rng = np.random.default_rng(1)
    base = unit(rng, 50)
    matrix = np.concatenate([base, base])
    same = np.concatenate([np.arange(50) % 5] * 2)
    assert recall(matrix, same, names(100), 0.999) == (100, 100, 100)
    other = same.copy()
    other[50:75] = 9
    assert recall(matrix, other, names(100), 0.999) == (100, 50, 100)
    assert recall(base, same[:50], names(50), 0.999) == (0, 0, 50)
    found = recall(matrix, other, names(100), 0.999, sample=20)
    assert found.anywhere == found.sample == 20 and 0 <= found.inside <= 20
    assert found.words.startswith("Of a sample of 20 pictures 20 have a duplicate, ")


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"threshold": 0.9, "fraction": 0.1},
        {"threshold": 1.5},
        {"fraction": -0.1},
        {"threshold": 0.9, "first": "middle"},
    ],
)
def test_wrong_arguments(wrong):
    with pytest.raises(BadInputError):
        find_duplicates(np.eye(3), np.zeros(3, int), np.zeros(3), names(3), **wrong)
