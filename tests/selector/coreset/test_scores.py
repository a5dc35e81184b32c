"""Rules on a score, by hand: hardest, strata, moderate, CCS, D2, de-duplication."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_cards import BadInputError
from selector.coreset import Budget, choose
from selector.coreset.ccs import stratum_budgets


def pick(count, method, rows=None, scores=None, labels=None, **options):
    n = len(rows if rows is not None else scores)
    return choose(
        np.arange(n), Budget(count=count), method, features=rows, scores=scores, labels=labels,
        **options,
    )  # fmt: skip


def test_hardest_easiest_and_the_offset():
    scores = np.arange(20.0)
    assert pick(3, "hardest", scores=scores).rows.tolist() == [19, 18, 17]
    assert pick(3, "hardest", scores=scores, offset=0.1).rows.tolist() == [17, 16, 15]
    assert pick(19, "hardest", scores=scores, offset=0.5).rows.tolist()[0] == 18
    assert pick(2, "easiest", scores=scores).rows.tolist() == [0, 1]
    with pytest.raises(BadInputError, match="offset is 1"):
        pick(1, "hardest", scores=scores, offset=1.0)


def test_strata_of_ccs_as_worked_by_hand():
    assert stratum_budgets([2, 5, 9], 9) == [2, 3, 4]
    assert stratum_budgets([0, 5, 0, 1], 4) == [0, 3, 0, 1]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8), st.data())
def test_strata_add_up(sizes, data):
    count = data.draw(st.integers(0, sum(sizes)))
    budgets = stratum_budgets(sizes, count)
    assert sum(budgets) == count
    assert all(0 <= one <= size for one, size in zip(budgets, sizes, strict=True))


def test_ccs_leaves_the_hardest_out_and_covers_the_rest():
    scores = np.linspace(0, 1, 100)
    made = pick(20, "ccs", scores=scores, cut=0.3, strata=10)
    assert scores[made.rows].max() <= 0.7
    counts = np.histogram(scores[made.rows], bins=10, range=(0, scores[69]))[0]
    assert counts.tolist() == [2] * 10
    # a cut that would leave too few is made smaller
    assert len(pick(95, "ccs", scores=scores, cut=0.3).rows) == 95


def test_stratified_keeps_the_distribution():
    scores = np.r_[np.zeros(90), np.linspace(1, 2, 10)]
    made = pick(20, "stratified", scores=scores, strata=10)
    assert (scores[made.rows] >= 1).sum() == 2
    with pytest.raises(BadInputError, match="strata is 0"):
        pick(1, "stratified", scores=scores, strata=0)


def test_moderate_keeps_the_middle():
    # distances to the median (0) of one class: 0, 1, 1, 2, 2, 3, 3, ...
    rows = np.array([[0], [1], [-1], [2], [-2], [3], [-3], [4], [-4]], np.float32)
    made = pick(3, "moderate", rows=rows, labels=["a"] * 9)
    assert sorted(abs(rows[made.rows, 0]).tolist()) == [2, 2, 3]
    assert abs(rows[made.rows[0], 0]) == 2
    assert len(pick(9, "moderate", rows=rows, labels=["a"] * 9).rows) == 9


def test_d2_without_neighbours_is_plain_ranking():
    rng = np.random.default_rng(0)
    rows, scores = rng.normal(size=(30, 3)).astype(np.float32), rng.random(30)
    made = pick(9, "d2", rows=rows, scores=scores, neighbours=0)
    assert made.rows.tolist() == np.argsort(-scores)[:9].tolist()


@given(st.integers(0, 1000), st.sampled_from(["sum", "product"]))
def test_d2_is_its_definition(seed, start):
    rng = np.random.default_rng(seed)
    rows, scores = rng.normal(size=(25, 2)).astype(np.float32), rng.random(25) - seed % 2
    far = np.linalg.norm(rows[:, None].astype(np.float64) - rows, axis=2)
    np.fill_diagonal(far, np.inf)
    near = np.zeros((25, 25), bool)
    for row in range(25):
        near[row, np.argsort(far[row])[:3]] = True
    near |= near.T
    shifted = scores - min(0, scores.min())
    around = (near * np.exp(-far)) @ shifted
    gain = shifted * around if start == "product" else shifted + around
    taken = []
    for _ in range(8):
        free = np.where(np.isin(np.arange(25), taken), -np.inf, gain)
        row = int(free.argmax())
        taken.append(row)
        gain = gain - near[row] * np.exp(-0.4 * far[row]) * gain[row]
    made = pick(8, "d2", rows=rows, scores=scores, neighbours=3, gamma=0.4, start=start)
    assert made.rows.tolist() == taken


def test_d2_spreads_over_the_pool():
    rng = np.random.default_rng(1)
    rows = np.concatenate([rng.normal(size=(50, 2)) * 0.1, rng.normal(size=(50, 2)) * 0.1 + 9])
    scores = np.r_[np.full(50, 1.0), np.full(50, 0.9)]
    made = pick(10, "d2", rows=rows.astype(np.float32), scores=scores, gamma=0.1)
    assert (made.rows >= 50).sum() >= 2  # plain ranking takes none of them


def test_copies_go_first():
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(60, 8)).astype(np.float32)
    rows[40:] = rows[:20] * 1.5  # copies, another length
    made = pick(40, "semdedup", rows=rows, clusters=3)
    assert len({min(r, r - 40) if r >= 40 else r for r in made.rows.tolist()}) == 40
    assert len(pick(55, "semdedup", rows=rows, clusters=60).rows) == 55


def copies(count, **options):
    """65 rows: 20 exact copies, and a chain of five of which only neighbours are alike."""
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(60, 8)).astype(np.float32)
    rows[40:] = rows[:20] * 1.5
    angles = np.radians([0, 20, 40, 60, 80])
    chain = np.zeros((5, 8), np.float32)
    chain[:, 0], chain[:, 1] = 5 * np.cos(angles), 5 * np.sin(angles)
    return pick(count, "semdedup", rows=np.concatenate([rows, chain]), clusters=1, **options)


def test_epsilon_zero_lets_copies_go_alone():
    for greedy in (False, True):
        made = copies(45, epsilon=0.0, greedy=greedy)
        assert made.notes["copies"] == 20 and made.notes["recall"] == 1.0
        kept = {row - 40 if 40 <= row < 60 else row for row in made.rows.tolist()}
        assert len(kept) == 45  # none of them beside its copy
        assert made.notes["rule"] == ("greedy" if greedy else "chains")
        assert made.parameters["found"] == made.notes
    # more than that are asked for: copies come back; fewer: the order cuts
    assert len(set(copies(50, epsilon=0.0).rows.tolist())) == 50
    assert len(set(copies(9, epsilon=0.0).rows.tolist())) == 9
    with pytest.raises(BadInputError, match="epsilon is -1"):
        copies(9, epsilon=-1)


@given(st.floats(0.0, 1.0))
def test_greedy_keeps_at_least_as_many_as_chains(epsilon):
    chains, greedy = (copies(30, epsilon=epsilon, greedy=one).notes for one in (False, True))
    assert greedy["copies"] <= chains["copies"]


def test_greedy_and_chains_differ_on_a_chain():
    near = 1 - np.cos(np.radians(21))
    chains, greedy = (copies(30, epsilon=near, greedy=one).notes for one in (False, True))
    assert chains["copies"] > greedy["copies"]  # of the five one stays, or every other


@given(st.integers(1, 65))
def test_greedy_meets_any_budget(count):
    made = copies(count, greedy=True)
    assert len(set(made.rows.tolist())) == count
    assert 65 - made.notes["copies"] >= min(count, 45)  # from 46 on copies must come back
