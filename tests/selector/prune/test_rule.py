"""What stays: exact counts, floors met to the sample, copies together, and the naive rule."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_cards.errors import BadInputError
from selector.order import canonical_order
from selector.prune.rule import keep, keep_count

STRATEGIES = ("hard", "easy", "random", "moderate")


def names(n: int) -> np.ndarray:
    return np.array([f"s{i}" for i in range(n)], dtype=object)


@st.composite
def tasks(draw):
    n = draw(st.integers(1, 60))
    # few levels: many ties
    levels = draw(st.lists(st.integers(0, 6), min_size=n, max_size=n))
    difficulty = np.array(levels, dtype=float) / 7
    difficulty[draw(st.lists(st.integers(0, n - 1), max_size=4))] = np.nan
    groups = np.array(draw(st.lists(st.integers(-1, 4), min_size=n, max_size=n)))
    words = {
        "strategy": draw(st.sampled_from(STRATEGIES)),
        "fraction": draw(st.floats(0, 1)),
        "groups": draw(st.sampled_from([None, groups])),
        "balance": draw(st.floats(0, 1)),
        "random_share": draw(st.sampled_from([0.0, 0.2, 1.0])),
        "content": draw(st.sampled_from([None, np.array(levels) % 4])),
        "seed": draw(st.integers(0, 5)),
    }
    return difficulty, words


@given(tasks())
def test_counts_floors_and_partition(task) -> None:
    difficulty, words = task
    n = len(difficulty)
    kept = keep(difficulty, names(n), **words)
    usable = np.flatnonzero(~np.isnan(difficulty))
    wanted = round(words["fraction"] * len(usable))
    assert len(kept.rows) == len(set(kept.rows.tolist())) == wanted
    everything = np.concatenate([kept.rows, kept.removed, kept.broken])
    assert sorted(everything.tolist()) == list(range(n))
    assert np.isnan(difficulty[kept.broken]).all() and len(kept.broken) == n - len(usable)
    groups = words["groups"]
    if groups is not None:
        members = Counter(groups[usable].tolist())
        members.pop(-1, None)
        stays = Counter(groups[kept.rows].tolist())
        for group, size in members.items():
            floor = min(size, int(words["balance"] * wanted / len(members) + 1e-9))
            assert kept.floors[group] == floor and stays[group] >= floor
    else:
        assert "floor" not in kept.why
    drawn = int((kept.why == "random").sum())
    assert drawn <= round(words["random_share"] * wanted)
    if words["groups"] is None or words["balance"] == 0:
        assert drawn == round(words["random_share"] * wanted)


@given(tasks(), st.integers(0, 10**6))
def test_permuting_rows_changes_nothing(task, seed) -> None:
    difficulty, words = task
    order = np.random.default_rng(seed).permutation(len(difficulty))
    ids = names(len(difficulty))
    moved = {k: v[order] if isinstance(v, np.ndarray) else v for k, v in words.items()}
    one, two = keep(difficulty, ids, **words), keep(difficulty[order], ids[order], **moved)
    assert ids[one.rows].tolist() == ids[order][two.rows].tolist()
    assert one.why.tolist() == two.why.tolist() and one.floors == two.floors


def naive(difficulty, ids, groups, fraction, strategy, beta, seed):
    """The spec's section 2, sorting everything."""
    usable = [i for i in range(len(difficulty)) if not np.isnan(difficulty[i])]
    rank = {int(row): place for place, row in enumerate(canonical_order(ids, seed))}
    sign = -1 if strategy == "hard" else 1
    ordered = sorted(usable, key=lambda i: (sign * difficulty[i], rank[i]))
    wanted = round(fraction * len(usable))
    picked = []
    classes = sorted({int(groups[i]) for i in usable if groups[i] >= 0})
    for c in classes:
        mine = [i for i in ordered if groups[i] == c]
        picked += mine[: min(len(mine), int(beta * wanted / len(classes) + 1e-9))]
    rest = [i for i in ordered if i not in set(picked)]
    picked += rest[: wanted - len(picked)]
    return [i for i in ordered if i in set(picked)]


@given(tasks())
def test_equals_the_naive_rule(task) -> None:
    difficulty, words = task
    if words["strategy"] not in ("hard", "easy"):
        words["strategy"] = "hard"
    groups = words["groups"] if words["groups"] is not None else np.full(len(difficulty), -1)
    ids = names(len(difficulty))
    kept = keep(difficulty, ids, **{**words, "random_share": 0.0, "content": None})
    wanted = naive(difficulty, ids, groups, words["fraction"], words["strategy"],
                   words["balance"], words["seed"])  # fmt: skip
    assert kept.rows.tolist() == wanted


def test_by_hand() -> None:
    difficulty = np.array([0.9, 0.8, 0.7, 0.6, 0.1, 0.2])
    groups = np.array([0, 0, 0, 0, 1, 1])
    hard = keep(difficulty, names(6), strategy="hard", count=4, groups=groups)
    assert hard.rows.tolist() == [0, 1, 2, 5] and hard.floors == {0: 1, 1: 1}
    assert hard.why.tolist() == ["rank", "rank", "rank", "floor"]
    assert hard.removed.tolist() == [3, 4]
    plain = keep(difficulty, names(6), strategy="hard", count=4, groups=groups, balance=0)
    assert plain.rows.tolist() == [0, 1, 2, 3]
    easy = keep(difficulty, names(6), strategy="easy", count=3, groups=groups)
    assert easy.rows.tolist() == [4, 5, 3]
    middle = keep(difficulty, names(6), strategy="moderate", count=2)
    assert sorted(middle.rows.tolist()) == [2, 3]
    middle = keep(difficulty[:5], names(5), strategy="moderate", count=3)
    assert middle.rows.tolist()[0] == 2 and sorted(middle.rows.tolist()) == [1, 2, 3]


def test_ranking_is_over_all_samples_not_inside_clusters() -> None:
    # A defect of others: the same share of every cluster.
    difficulty = np.concatenate([np.linspace(0.8, 0.9, 50), np.linspace(0.1, 0.2, 50)])
    groups = np.repeat([0, 1], 50)
    kept = keep(difficulty, names(100), strategy="hard", fraction=0.5, groups=groups, balance=0.2)
    assert Counter(groups[kept.rows].tolist()) == {0: 45, 1: 5}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_quota_of_none_keeps_none(strategy) -> None:
    # A defect of others: the slice [-0:] is everything.
    groups = np.arange(10) % 5
    kept = keep(np.arange(10.0), names(10), strategy=strategy, count=0, groups=groups)
    assert len(kept.rows) == 0 and len(kept.removed) == 10
    kept = keep(np.arange(10.0), names(10), strategy=strategy, count=3, groups=groups)
    assert len(kept.rows) == 3 and set(kept.floors.values()) == {0}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("fraction", [0.1, 0.33, 0.5, 0.77, 1.0])
def test_what_goes_is_listed_always_and_counts_add_up(strategy, fraction) -> None:
    # Defects of others: shares that do not add up; nothing is "removed" in random mode.
    rng = np.random.default_rng(0)
    groups = rng.integers(7, size=101)
    kept = keep(rng.random(101), names(101), strategy=strategy, fraction=fraction, groups=groups)
    assert len(kept.rows) == round(fraction * 101)
    assert len(kept.removed) == 101 - len(kept.rows)


def test_equal_groups_at_full_balance_get_equal_shares() -> None:
    groups = np.repeat(np.arange(4), 25)
    kept = keep(np.arange(100.0), names(100), strategy="hard", count=40, groups=groups, balance=1)
    assert Counter(groups[kept.rows].tolist()) == {0: 10, 1: 10, 2: 10, 3: 10}


@given(st.integers(1, 40), st.integers(0, 100))
def test_hard_and_easy_halves_are_complements(half, seed) -> None:
    difficulty = np.random.default_rng(seed).integers(0, 5, 2 * half).astype(float)
    content = np.arange(2 * half)
    difficulty += content * 1e-6  # no ties: with ties both ways prefer the same hashes
    hard, easy = (keep(difficulty, names(2 * half), strategy=s, fraction=0.5).rows
                  for s in ("hard", "easy"))  # fmt: skip
    assert sorted([*hard.tolist(), *easy.tolist()]) == list(range(2 * half))


def test_floors_are_told_of_what_rank_alone_would_not_keep() -> None:
    """Eight by difficulty 8 ... 1, four stay: floors of one keep the 1 of class 2, not the 4."""
    difficulty = np.arange(8.0, 0, -1)
    groups = np.array([0, 0, 1, 0, 0, 1, 0, 2])
    kept = keep(difficulty, names(8), strategy="hard", count=4, groups=groups, balance=0.75)
    assert kept.floors == {0: 1, 1: 1, 2: 1}
    assert kept.rows.tolist() == [0, 1, 2, 7]
    assert kept.why.tolist() == ["rank", "rank", "rank", "floor"] and kept.last == 1
    drawn = keep(difficulty, names(8), strategy="hard", count=4, groups=groups, balance=0.75,
                 random_share=0.5)  # fmt: skip
    assert drawn.rows.tolist()[:3] == [0, 2, 7]
    assert drawn.why.tolist() == ["rank", "floor", "floor", "random"] and drawn.last is None


@given(tasks())
def test_a_floor_is_the_reason_only_without_it_gone(task) -> None:
    difficulty, words = task
    words["random_share"] = 0.0
    kept = keep(difficulty, names(len(difficulty)), **words)
    plain = keep(difficulty, names(len(difficulty)), **{**words, "groups": None})
    by_floor = set(kept.rows[kept.why == "floor"].tolist())
    assert by_floor == set(kept.rows.tolist()) - set(plain.rows.tolist())


def test_copies_are_ranked_together() -> None:
    rng = np.random.default_rng(0)
    content = rng.integers(6, size=60)  # ten copies of each or so, all equally hard
    for strategy in ("hard", "easy"):
        for seed in range(5):
            kept = keep(np.ones(60), names(60), strategy=strategy, count=60, content=content,
                        seed=seed)  # fmt: skip
            runs = 1 + int((np.diff(content[kept.rows]) != 0).sum())
            assert runs == len(set(content.tolist()))
            some = keep(np.ones(60), names(60), strategy=strategy, count=25, content=content,
                        seed=seed)  # fmt: skip
            assert some.rows.tolist() == kept.rows[:25].tolist()


def test_random_is_uniform_and_by_the_seed() -> None:
    counts = np.zeros(20)
    for seed in range(400):
        counts[keep(np.arange(20.0), names(20), strategy="random", count=5, seed=seed).rows] += 1
    assert abs(counts - 100).max() < 45  # five standard deviations
    one, two = (keep(np.arange(20.0), names(20), strategy="random", count=9, seed=s).rows.tolist()
                for s in (1, 1))  # fmt: skip
    assert one == two


def test_mixed_in_at_random() -> None:
    difficulty = np.arange(100.0)
    kept = keep(difficulty, names(100), strategy="hard", count=40, random_share=0.25)
    assert kept.rows[:30].tolist() == list(range(99, 69, -1))
    assert kept.why[:30].tolist() == ["rank"] * 30 and kept.why[30:].tolist() == ["random"] * 10
    assert (kept.rows[30:] < 70).all()
    other = keep(difficulty, names(100), strategy="hard", count=40, random_share=0.25, seed=1)
    assert set(other.rows[30:].tolist()) != set(kept.rows[30:].tolist())
    groups = np.arange(100) % 4
    whole = keep(difficulty, names(100), strategy="hard", count=40, random_share=1.0,
                 groups=groups, balance=1)  # fmt: skip
    assert set(whole.why.tolist()) == {"floor"}  # floors come first


def test_ids_are_hashed_only_for_ties(monkeypatch) -> None:
    import selector.prune.rule as module

    def refuse(*words, **more):
        raise AssertionError("hashed")

    monkeypatch.setattr(module, "canonical_order", refuse)
    kept = keep(np.arange(50.0), names(50), strategy="hard", count=10)
    assert kept.rows.tolist() == list(range(49, 39, -1))


def test_nothing_but_broken_rows() -> None:
    kept = keep(np.full(3, np.nan), names(3), strategy="hard", fraction=0.5, groups=np.arange(3))
    assert len(kept.rows) == 0 and kept.broken.tolist() == [0, 1, 2] and kept.floors == {}


def test_keep_count() -> None:
    assert [keep_count(10, f) for f in (0, 0.25, 0.5, 0.35, 1)] == [0, 2, 5, 4, 10]
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(BadInputError):
            keep_count(10, wrong)


def test_the_global_generator_is_left_alone() -> None:
    state = np.random.get_state()[1].copy()
    keep(np.arange(9.0), names(9), strategy="random", count=3, random_share=0.5)
    assert (np.random.get_state()[1] == state).all()


@pytest.mark.parametrize(
    "words",
    [{}, {"count": 3, "fraction": 0.5}, {"count": 11}, {"count": -1}, {"fraction": 2},
     {"count": 3, "strategy": "best"}, {"count": 3, "balance": 2}, {"count": 3, "random_share": -1},
     {"count": 3, "groups": np.zeros(9, int)}, {"count": 3, "groups": np.zeros(10)},
     {"count": 3, "content": np.zeros(3)}],
)  # fmt: skip
def test_what_is_out_of_range_is_said(words) -> None:
    with pytest.raises(BadInputError):
        keep(np.arange(10.0), names(10), **{"strategy": "hard", **words})
    with pytest.raises(BadInputError, match="infinite"):
        keep(np.array([1.0, np.inf]), names(2), strategy="hard", count=1)
    with pytest.raises(BadInputError, match="two rows"):
        keep(np.ones(3), np.array(["a", "a", "b"], object), strategy="hard", count=1)
