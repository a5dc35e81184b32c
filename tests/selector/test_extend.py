"""Adding to a selection: the earlier picks stay, the new ones are good and different."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_cards.errors import BadInputError
from selector.duplicates import NearDuplicate
from selector.extend import Extension, extend
from selector.pick import select
from selector.repeats import repeats_of
from selector.selection import Candidates
from selector.stacked import StackedRows

NEAR = NearDuplicate(0.9, 0.9)


def task_of(pool: Candidates, old: int, budget: int, copies: int = 0) -> Extension:
    """Choose from the first rows; the rest is new, some of it copies of the first rows."""
    n = len(pool)
    first = np.arange(old)
    small = Candidates(
        pool.ids[:old], pool.quality[:old], pool.refused[:old], pool.failed[:old],
        pool.image_vectors[:old], pool.text_vectors[:old],
    )  # fmt: skip
    before = select(small, budget, near_duplicate=NEAR)
    place = {id_: row for row, id_ in enumerate(pool.ids)}
    earlier = np.array([place[id_] for id_ in before.ids], np.int64)
    for at in range(min(copies, n - old)):
        source = earlier[at % len(earlier)]
        pool.image_vectors[old + at] = pool.image_vectors[source]
        pool.text_vectors[old + at] = pool.text_vectors[source]
    reasons = [f"kept: pick {rank}" for rank in range(1, len(earlier) + 1)]
    return Extension(pool, earlier, np.setdiff1d(np.arange(n), first), reasons)


def shuffled(task: Extension, permuted, seed: int) -> Extension:
    order = np.random.default_rng(seed).permutation(len(task.candidates))
    back = np.argsort(order)
    return replace(
        task,
        candidates=permuted(task.candidates, order),
        earlier=back[task.earlier],
        new=back[task.new],
    )


@settings(max_examples=25)
@given(
    seed=st.integers(0, 50),
    budget=st.integers(1, 40),
    copies=st.integers(0, 10),
    method=st.sampled_from(["clusters", "top"]),
)
def test_what_always_holds(make_pool, permuted, seed, budget, copies, method):
    task = task_of(make_pool(90, seed=seed), 50, 15, copies)
    done = extend(task, budget, method=method, near_duplicate=NEAR)
    pool = task.candidates
    ids = done.ids
    earlier = [str(pool.ids[row]) for row in task.earlier]
    # the earlier picks come first, in their order, and the new ones are new rows
    assert ids[: len(earlier)] == earlier
    added = ids[len(earlier) :]
    new = {str(pool.ids[row]) for row in task.new}
    assert set(added) <= new and len(set(ids)) == len(ids)
    # the table is earlier picks and new rows, nothing else
    assert set(done.table["id"].to_pylist()) == set(earlier) | new
    # no pair of near-duplicates among new ones, and between new and earlier
    place = {str(id_): row for row, id_ in enumerate(pool.ids)}
    rows = [place[id_] for id_ in ids]
    near = np.ones((len(rows), len(rows)), bool)
    for matrix in (pool.image_vectors, pool.text_vectors):
        x = np.asarray(matrix[rows], np.float32)
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        near &= x @ x.T >= 0.9 - 1e-5
    np.fill_diagonal(near, False)
    assert not near[:, len(earlier) :].any()
    # exactly the budget, or all there is, which is said
    repeats = done.parameters["repeats_of_earlier"]
    assert repeats >= copies
    able = len(new) - repeats
    assert len(added) <= min(budget, able)
    if len(added) < budget:
        assert "shortfall" in done.parameters
        left = set(done.table.filter(mask(done, "not chosen"))["id"].to_pylist())
        assert not left or len(added) == budget
    if method == "clusters":
        assert sum(done.quotas.values()) == len(earlier) + min(budget, able)
    # the same for any order of the rows
    again = extend(shuffled(task, permuted, seed), budget, method=method, near_duplicate=NEAR)
    assert again.ids == ids
    assert again.table.drop_columns(["similarity"]).equals(done.table.drop_columns(["similarity"]))


def mask(selection, stage):
    import pyarrow.compute as pc

    return pc.equal(selection.table["stage"], stage)


def test_copies_of_earlier_picks_name_them(make_pool):
    task = task_of(make_pool(60, seed=3), 50, 10, copies=10)
    done = extend(task, 5, near_duplicate=NEAR)
    assert done.parameters["added"] == 0
    assert done.parameters["message"] == "10 of the 10 new rows repeat what was chosen before"
    rows = done.table.filter(mask(done, "duplicate")).to_pylist()
    earlier = [str(task.candidates.ids[row]) for row in task.earlier]
    assert {row["rival"] for row in rows} <= set(earlier) and len(rows) == 10
    assert all(f"near-duplicate of {row['rival']}, which was chosen before" in row["reason"]
               for row in rows)  # fmt: skip


def test_equal_content_is_refused_without_vectors(make_pool):
    pool = make_pool(30, image=False, text=False, content=np.array([i % 20 for i in range(30)]))
    before = np.arange(5)
    task = Extension(pool, before, np.arange(20, 30), ["kept"] * 5)
    done = extend(task, 8)
    assert done.parameters["added"] == 5  # rows 20 to 24 repeat picks 0 to 4
    assert set(done.ids[5:]) == {f"s{i}" for i in range(25, 30)}


def test_a_new_topic_gets_places_that_earlier_picks_do_not_hold(make_pool):
    """New rows of a kind that nothing was chosen from, beside as many of a kind that was."""
    rng = np.random.default_rng(0)
    axes = np.eye(8, dtype=np.float32)
    kind = np.array([0] * 60 + [0] * 30 + [1] * 30)
    x = axes[kind] + 0.15 * rng.standard_normal((120, 8)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    pool = make_pool(120, image_vectors=x, text_vectors=x)
    task = Extension(pool, np.arange(20), np.arange(60, 120), ["kept"] * 20)
    done = extend(task, 10, clusters=2, near_duplicate=None)
    added = [int(id_[1:]) for id_ in done.ids[20:]]
    # due of 30 by 90 and 30 rows: 22.5 and 7.5; the first holds 20
    assert sum(row >= 90 for row in added) in (7, 8)


def test_earlier_picks_stay_whatever_a_floor_says_now(make_pool):
    pool = make_pool(40)
    pool.refused[2] = "too short"
    pool.quality[3] = np.nan
    task = Extension(pool, np.array([3, 2, 1]), np.arange(10, 40), ["kept"] * 3)
    assert extend(task, 4).ids[:3] == ["s3", "s2", "s1"]


def test_methods_that_cannot_extend(make_pool):
    task = Extension(make_pool(10), np.array([0]), np.arange(5, 10), ["kept"])
    with pytest.raises(BadInputError, match="cannot add"):
        extend(task, 2, method="random")
    with pytest.raises(BadInputError, match="budget"):
        extend(task, 0)


def test_repeats_of_other_tables(make_pool):
    chosen, other = make_pool(10, seed=1), make_pool(6, seed=2)
    other.image_vectors[4], other.text_vectors[4] = chosen.image_vectors[7], chosen.text_vectors[7]
    rival, similarity = repeats_of(chosen, other, np.array([4, 1]), NearDuplicate(0.999, 0.999))
    assert rival.tolist() == [7, -1]
    assert similarity[0] == pytest.approx(1, abs=1e-3) and np.isnan(similarity[1])
    keyed = replace(chosen, content=np.arange(10)), replace(other, content=np.array([3] * 6))
    rival, similarity = repeats_of(*keyed, np.array([1]), None)
    assert rival.tolist() == [3] and similarity.tolist() == [1.0]


def test_stacked_rows_are_the_rows_side_by_side():
    a, b = np.arange(20.0).reshape(5, 4), -np.arange(12.0).reshape(3, 4)
    stack = StackedRows([(a, np.array([4, 0])), (b, np.array([2, 1, 0]))])
    whole = np.concatenate([a[[4, 0]], b[[2, 1, 0]]])
    assert stack.shape == (5, 4) and len(stack) == 5
    np.testing.assert_array_equal(stack[1:4], whole[1:4])
    np.testing.assert_array_equal(stack[np.array([4, 0, 0, 2])], whole[[4, 0, 0, 2]])
    with pytest.raises(ValueError, match="widths"):
        StackedRows([(a, np.array([0])), (np.zeros((2, 3)), np.array([0]))])
