"""k-means: the same bits however it is cut up, and what Lloyd's algorithm says it should be."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from data_cards.errors import BadInputError
from selector.prune import starts
from selector.prune.prototypes import (
    assign_block,
    default_prototype_count,
    fit_prototypes,
    nearest_prototypes,
    partial_sums,
    reduce,
)


def cloud(n=1500, dim=12, groups=9, noise=0.4, seed=0, dtype=np.float16) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((groups, dim))
    x = centres[rng.integers(groups, size=n)] + noise * rng.standard_normal((n, dim))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(dtype)


def same(one, two) -> bool:
    return (
        np.array_equal(one.centres, two.centres)
        and np.array_equal(one.labels, two.labels)
        and np.array_equal(one.distance, two.distance, equal_nan=True)
        and one.history == two.history
        and one.objective == two.objective
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("dim", [5, 64])
def test_same_bits_for_any_block_and_thread_count(dtype, dim) -> None:
    x = cloud(dim=dim, dtype=dtype)
    x[17] = np.nan
    whole = fit_prototypes(x, 25, threads=1)
    for threads, rows in ((1, 1), (1, 37), (2, 64), (3, 500), (2, 10_000), (5, 11)):
        assert same(whole, fit_prototypes(x, 25, threads=threads, block_rows=rows))


def test_same_bits_from_a_map_and_from_memory(tmp_path) -> None:
    x = cloud()
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert same(fit_prototypes(x, 20), fit_prototypes(mapped, 20))


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), cuts=st.lists(st.integers(0, 600), max_size=6))
def test_sums_of_partitions_are_the_sums_of_the_whole(seed, cuts) -> None:
    x = cloud(600, seed=seed % 7)
    centres = fit_prototypes(x, 8, seed=seed, iterations=1).centres
    ends = [0, *sorted(cuts), 600]
    parts = [partial_sums(x[a:b], centres) for a, b in pairwise(ends)]
    np.random.default_rng(seed).shuffle(parts)
    whole, together = partial_sums(x, centres), reduce(parts)
    assert np.array_equal(whole.sums, together.sums)
    assert np.array_equal(whole.counts, together.counts)
    labels = [assign_block(x[a:b], centres) for a, b in pairwise(ends)]
    assert np.array_equal(np.concatenate(labels), assign_block(x, centres))


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6))
def test_permuting_rows_changes_nothing(seed) -> None:
    x = cloud(700, seed=3)
    order = np.random.default_rng(seed).permutation(700)
    one, two = fit_prototypes(x, 12, seed=5), fit_prototypes(x[order], 12, seed=5)
    assert np.array_equal(one.centres, two.centres) and one.objective == two.objective
    assert np.array_equal(one.labels[order], two.labels)
    assert np.array_equal(one.distance[order], two.distance)


def test_rotating_and_scaling_change_nothing_beyond_rounding() -> None:
    x = cloud(900, dtype=np.float32)
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((12, 12)))[0].astype(np.float32)
    keys = np.random.default_rng(2).permutation(900).astype(np.uint64)  # hashes of ids, say
    one = fit_prototypes(x, 10, keys=keys)
    for other in (x @ turn, 3.7 * x, x * np.linspace(0.1, 9, 900, dtype=np.float32)[:, None]):
        two = fit_prototypes(other, 10, keys=keys)
        assert np.array_equal(one.labels, two.labels)
        assert np.allclose(one.distance, two.distance, atol=1e-6)
        assert one.objective == pytest.approx(two.objective, abs=1e-7)
    doubled = fit_prototypes(x * 4, 10)  # exact in binary: the same bits, keys of content too
    assert same(fit_prototypes(x, 10), doubled)


def naive_lloyd(x, centres, iterations):
    unit = x.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    for _ in range(iterations):
        labels = (unit @ centres.T).argmax(axis=1)
        for j in range(len(centres)):
            if (labels == j).any():
                mean = unit[labels == j].sum(axis=0)
                centres[j] = mean / np.linalg.norm(mean)
    cosine = unit @ centres.T
    return centres, cosine.argmax(axis=1), 1 - cosine.max(axis=1)


@pytest.mark.parametrize("seed", range(4))
def test_equals_naive_lloyd(seed) -> None:
    x = cloud(800, seed=seed, dtype=np.float32)
    start = x[np.random.default_rng(seed).permutation(800)[:15]]
    found = fit_prototypes(x, start=start, iterations=7, tolerance=None)
    centres, labels, distance = naive_lloyd(x, start.astype(np.float64), 7)
    assert found.iterations == 7 and len(found.centres) == 15
    assert np.allclose(found.centres, centres, atol=1e-5)
    assert np.array_equal(found.labels, labels)
    assert np.allclose(found.distance, distance, atol=1e-6)
    assert found.objective == pytest.approx(distance.mean(), abs=1e-6)


@settings(max_examples=25)
@given(
    x=hnp.arrays(np.float16, st.tuples(st.integers(1, 40), st.integers(1, 5)),
                 elements=st.floats(-4, 4, width=16)),
    count=st.integers(1, 12),
    start=st.sampled_from(["k-means++", "sample", None]),
)  # fmt: skip
def test_whatever_the_rows(x, count, start) -> None:
    broken = ~np.isfinite(x).all(axis=1) | ~x.any(axis=1)
    if broken.all():
        with pytest.raises(BadInputError, match="no row has an embedding"):
            fit_prototypes(x, count, start=start)
        return
    found = fit_prototypes(x, count, start=start)
    assert np.array_equal(found.labels < 0, broken)
    assert np.array_equal(np.isnan(found.distance), broken)
    assert (found.sizes > 0).all() and found.sizes.sum() == (~broken).sum()
    assert 1 <= len(found.centres) <= count
    assert ((found.distance[~broken] >= 0) & (found.distance[~broken] <= 2)).all()
    assert np.allclose(np.linalg.norm(found.centres, axis=1), 1, atol=1e-6)
    unit = x[~broken].astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    nearest = 1 - (unit @ found.centres.astype(np.float64).T).max(axis=1)
    assert np.allclose(found.distance[~broken], nearest, atol=1e-6)
    again = nearest_prototypes(x, found.centres, block_rows=3, threads=2)
    assert np.array_equal(again[0], found.labels)


def test_each_iteration_is_no_worse() -> None:
    history = fit_prototypes(cloud(groups=30), 30, tolerance=None).history
    assert (np.diff(history) <= 1e-9).all() and len(history) > 3


def test_a_fixed_point_ends_it() -> None:
    found = fit_prototypes(cloud(groups=3, noise=0.05), 3, tolerance=None)
    assert found.converged and found.iterations < 10 and not found.remarks


def test_ending_early_is_said() -> None:
    found = fit_prototypes(cloud(), 30, iterations=2, tolerance=None)
    assert not found.converged and found.remarks == ("k-means was ended after 2 iterations.",)


def test_prototypes_lie_at_distance_zero() -> None:
    x = cloud(60)
    found = fit_prototypes(x, 60)
    assert len(found.centres) == 60 and found.distance.max() < 1e-13
    labels, distance = nearest_prototypes(found.centres, found.centres)
    assert labels.tolist() == list(range(60)) and distance.max() < 1e-13


def test_one_prototype_ranks_by_cosine_to_the_mean_direction() -> None:
    x = cloud(400, dtype=np.float32)
    found = fit_prototypes(x, 1)
    mean = x.sum(axis=0) / np.linalg.norm(x.sum(axis=0))
    assert np.allclose(found.distance, 1 - x @ mean, atol=1e-6)


def test_more_prototypes_than_rows_is_said() -> None:
    found = fit_prototypes(cloud(30), 1000)
    assert len(found.centres) == 30 and found.asked == 1000
    assert found.remarks[0].startswith("There are 30 distinct pictures for 1,000 prototypes")
    assert "a ranking by distance means nothing" in found.remarks[0]
    assert found.remarks[1].startswith("All distances are 0.000: the order is that of ")


def test_prototypes_of_one_picture_are_said_where_they_are_most() -> None:
    wide = np.eye(8, dtype=np.float32)
    x = np.concatenate([wide[:5], wide[5:] + 0.1, wide[5:]])  # five alone, three in company
    found = fit_prototypes(x, start=wide)
    assert sorted(found.sizes) == [1, 1, 1, 1, 1, 2, 2, 2]
    assert found.remarks[0].startswith("5 of 8 prototypes hold one picture")
    alike = np.concatenate([x[4:], wide[4:5]])  # three alone no more: half is not most
    assert not fit_prototypes(alike, start=wide[4:]).remarks


@pytest.mark.parametrize("x", [np.eye(4, dtype=np.float32), np.tile(np.float32([[1, 0]]), (4, 1))])
def test_equal_distances_are_said_to_rank_nothing(x) -> None:
    found = fit_prototypes(x, 1)
    value = f"{found.distance[0]:.3f}"
    assert any(f"All distances are {value}" in line for line in found.remarks)
    assert not any("All distances" in line for line in fit_prototypes(cloud(50), 3).remarks)


def test_identical_rows_are_one_prototype() -> None:
    found = fit_prototypes(np.full((500, 8), 0.3, np.float16), 7)
    assert len(found.centres) == 1 and found.sizes.tolist() == [500]
    assert found.distance.max() < 1e-13 and "There is 1 distinct picture for" in found.remarks[0]


def test_copies_have_equal_distances_wherever_they_stand() -> None:
    x = cloud(1000, dim=33)
    x[700:800] = x[100:200]
    x[999] = x[0]
    found = fit_prototypes(x, 20, block_rows=17)
    assert np.array_equal(found.distance[700:800], found.distance[100:200])
    assert np.array_equal(found.labels[700:800], found.labels[100:200])
    assert found.distance[999] == found.distance[0]


def test_a_prototype_without_members_is_moved_and_said() -> None:
    x = np.abs(cloud(400, groups=4, noise=0.02, dtype=np.float32))
    start = np.concatenate([x[:3], -np.ones((1, 12), np.float32)])  # nobody is near the last
    found = fit_prototypes(x, start=start, tolerance=None)
    assert found.moved >= 1 and "was moved" in found.remarks[0]
    assert len(found.centres) == 4 and found.dropped == 0
    twice = np.concatenate([x[:1], x[:1]])  # equal prototypes: the earlier one has the members
    found = fit_prototypes(x, start=twice, iterations=1)
    assert found.moved == 1 and len(found.centres) == 2


def test_a_prototype_that_stays_empty_is_left_out_and_said() -> None:
    x = np.repeat(np.eye(3, dtype=np.float32), 20, axis=0)
    start = np.concatenate([np.eye(3), -np.ones((2, 3))]).astype(np.float32)
    found = fit_prototypes(x, start=start)
    assert found.dropped == 2 and len(found.centres) == 3 and found.asked == 5
    assert "Left out, as they stayed without members: 2 prototypes." in found.remarks
    assert sorted(found.sizes) == [20, 20, 20] and found.labels.max() == 2


def test_opposite_rows_cancel_out_and_the_prototype_stays() -> None:
    x = np.array([[1, 0], [-1, 0]], dtype=np.float32)
    found = fit_prototypes(x, start=np.array([[0.0, 1.0]], dtype=np.float32))
    assert found.distance.tolist() == [1.0, 1.0] and found.centres.tolist() == [[0.0, 1.0]]


def test_masked_and_broken_rows_touch_nothing() -> None:
    x = cloud(500)
    dirty = np.concatenate([x, np.full((3, 12), np.nan, np.float16), np.zeros((2, 12), np.float16),
                            np.full((1, 12), np.inf, np.float16), cloud(50, seed=9)])  # fmt: skip
    usable = np.arange(len(dirty)) < 506
    one, two = fit_prototypes(x, 9), fit_prototypes(dirty, 9, usable=usable, block_rows=50)
    assert np.array_equal(one.centres, two.centres) and np.array_equal(one.labels, two.labels[:500])
    assert (two.labels[500:] == -1).all() and np.isnan(two.distance[500:]).all()
    assert two.remarks[-1].startswith("56 pictures have no distance, and so can neither")
    assert two.remarks[-1].endswith(": not read.")


def test_vectors_of_any_length_are_unit_vectors() -> None:
    # A defect of others: plain k-means on unnormalised rows, cosine afterwards.
    rng = np.random.default_rng(0)
    x = np.eye(2)[rng.integers(2, size=300)] + 0.05 * rng.standard_normal((300, 2))
    x *= 10 ** rng.uniform(-2, 2, (300, 1))
    found = fit_prototypes(x.astype(np.float32), 2)
    assert np.array_equal(found.labels == found.labels[0], x[:, 0] > x[:, 1]) or np.array_equal(
        found.labels != found.labels[0], x[:, 0] > x[:, 1]
    )
    assert found.distance.max() < 0.05


def test_far_outliers_are_the_hardest() -> None:
    x = cloud(2000, groups=5, noise=0.05, dtype=np.float32)
    x[:4] = -x[:4].sum(axis=0) + np.random.default_rng(0).standard_normal((4, 12))
    found = fit_prototypes(x, 5)
    assert set(np.argsort(-found.distance)[:4]) == {0, 1, 2, 3}


def test_restarts_are_no_worse_and_start_from_the_same_seed() -> None:
    x = cloud(groups=40, noise=0.1)
    one, five = (fit_prototypes(x, 40, restarts=r, start="sample") for r in (1, 5))
    assert five.objective <= one.objective + 1e-4
    assert same(five, fit_prototypes(x, 40, restarts=5, start="sample"))
    spread = fit_prototypes(x, 40)
    assert spread.objective < one.objective  # k-means++ finds separated groups


def test_more_rows_than_the_sample(monkeypatch) -> None:
    monkeypatch.setattr(starts, "SAMPLE_ROWS", 100)
    x = cloud(2000)
    one = fit_prototypes(x, 12)
    order = np.random.default_rng(0).permutation(2000)
    two = fit_prototypes(x[order], 12, block_rows=33, threads=3)
    assert np.array_equal(one.centres, two.centres)
    copies = np.concatenate([np.repeat(x[:1], 1900, axis=0), x[1:100]])  # keys hide what differs
    found = fit_prototypes(copies, 60, keys=np.arange(len(copies), dtype=np.uint64))
    assert len(found.centres) == 60


def test_exact_ties_go_to_the_earlier_prototype() -> None:
    x = np.array([[1, 1], [1, -1], [-2, 2]], dtype=np.float16)
    centres = np.array([[0, 1], [1, 0], [0, -1], [-1, 0]], dtype=np.float32)
    assert assign_block(x, centres).tolist() == [0, 1, 0]


def test_near_ties_are_settled_in_float64() -> None:
    rng = np.random.default_rng(0)
    base = rng.standard_normal(512)
    near = (base + 1e-5 * rng.standard_normal((300, 512))).astype(np.float32)
    near /= np.linalg.norm(near, axis=1, keepdims=True)
    x = (base + 1e-3 * rng.standard_normal((200, 512))).astype(np.float32)
    exact = near.astype(np.float64) / np.linalg.norm(near.astype(np.float64), axis=1)[:, None]
    wanted = (x.astype(np.float64) @ exact.T).argmax(axis=1)
    assert np.array_equal(assign_block(x, near), wanted)


def test_default_count() -> None:
    assert default_prototype_count(1_281_167) == 1132
    assert default_prototype_count(50_000, classes=10) == 10
    assert default_prototype_count(10_000, classes=1) == default_prototype_count(10_000) == 100
    assert default_prototype_count(3, classes=10) == 3 and default_prototype_count(0) == 1
    assert len(fit_prototypes(cloud(400)).centres) == 20


def test_the_global_generator_is_left_alone() -> None:
    state = np.random.get_state()[1].copy()
    fit_prototypes(cloud(200), 5)
    assert (np.random.get_state()[1] == state).all()


def test_progress_and_wrong_arguments() -> None:
    said = []
    fit_prototypes(cloud(50), 3, iterations=2, on_progress=lambda *words: said.append(words))
    assert said[0] == ("k-means", 1, 2)
    x = cloud(20)
    for words in ({"count": 0}, {"iterations": 0}, {"restarts": 0}, {"usable": np.ones(3, bool)},
                  {"usable": np.ones(20)}, {"keys": np.ones(20)}, {"start": np.ones((2, 5))},
                  {"start": np.zeros((2, 12))},
                  {"count": 3, "start": np.ones((2, 12))}):  # fmt: skip
        with pytest.raises(BadInputError):
            fit_prototypes(x, **words)
    for wrong in (np.ones(3), np.ones((3, 3), int), np.ones((3, 0))):
        with pytest.raises(BadInputError):
            fit_prototypes(wrong, 1)
