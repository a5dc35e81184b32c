"""The walk in slabs against the plain O(n^2) walk."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import selector.greedy as module
from selector.duplicates import NearDuplicate, PickedVectors
from selector.greedy import greedy_picks
from selector.selection import Candidates


def naive(ranked, budget, labels, places, vectors, limit):
    picks, repeats = [], {}
    left = list(places)

    def blocked(row):
        near = [(float(vectors[row] @ vectors[p]), p) for p in picks]
        near = [pair for pair in near if pair[0] >= limit]
        return max(near, key=lambda pair: pair[0])[1] if near else None

    for opened in (False, True):
        for row in ranked:
            if len(picks) == budget or row in picks or row in repeats:
                continue
            if not opened and left[labels[row]] == 0:
                continue
            rival = blocked(row)
            if rival is not None:
                repeats[row] = rival
                continue
            picks.append(row)
            if not opened:
                left[labels[row]] -= 1
    return picks, repeats


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_equals_naive(data) -> None:
    n = data.draw(st.integers(1, 40))
    k = data.draw(st.integers(1, 4))
    # Vectors from a small set: many exact repetitions, all other cosines far from the limit.
    kinds = np.eye(8, dtype=np.float32)
    vectors = kinds[data.draw(st.lists(st.integers(0, 7), min_size=n, max_size=n))]
    labels = np.array(data.draw(st.lists(st.integers(0, k - 1), min_size=n, max_size=n)))
    budget = data.draw(st.integers(1, n))
    places = np.array(data.draw(st.lists(st.integers(0, 12), min_size=k, max_size=k)))
    places = np.minimum(places, np.bincount(labels, minlength=k))
    while places.sum() > budget:
        places[places.argmax()] -= 1
    ranked = np.array(data.draw(st.permutations(range(n))))
    slab = data.draw(st.sampled_from([1, 2, 3, 1024]))
    pool = Candidates(
        np.arange(n).astype(str).astype(object),
        np.zeros(n),
        np.full(n, None),
        np.zeros(n, bool),
        vectors,
    )
    before = module.SLAB
    module.SLAB = slab
    try:
        got = greedy_picks(
            ranked,
            budget,
            labels=labels,
            places=places,
            picked=PickedVectors(pool, budget, NearDuplicate()),
        )
    finally:
        module.SLAB = before
    picks, repeats = naive(ranked.tolist(), budget, labels, places, vectors, 0.95)
    assert got.rows == picks
    assert dict(zip(got.repeats, got.rivals, strict=True)) == repeats


def test_refill_is_counted_apart() -> None:
    # Cluster 0: three copies of one picture and two places; cluster 1 has the third place.
    vectors = np.eye(3, dtype=np.float32)[[0, 0, 0, 1, 2]]
    pool = Candidates(
        np.array(list("abcde")), np.zeros(5), np.full(5, None), np.zeros(5, bool), vectors
    )
    got = greedy_picks(
        np.arange(5),
        3,
        labels=np.array([0, 0, 0, 1, 1]),
        places=np.array([2, 1]),
        picked=PickedVectors(pool, 3, NearDuplicate()),
    )
    assert got.rows == [0, 3, 4] and got.by_quota == 2
    assert got.repeats == [1, 2] and got.rivals == [0, 0] and got.similarities == [1.0, 1.0]


def test_without_vectors_nothing_is_a_repeat() -> None:
    got = greedy_picks(np.array([4, 2, 0]), 2)
    assert got.rows == [4, 2] and got.by_quota == 2 and not got.repeats
