"""Rules on a score alone: the hardest, the easiest, all strata of it; and random."""

from __future__ import annotations

import numpy as np

from data_cards.errors import BadInputError
from selector.coreset.base import Picks, Pool, method


@method(
    "hardest",
    needs=("scores",),
    keeps="the highest difficulty",
    cost="one sort",
    good_when="much is kept of plenty of clean data; far below random at small budgets",
    gain="the score",
    source="the rule of EL2N and GraNd, Paul et al., arXiv 2107.07075, section 3",
    unless="but where an offset would leave too few",
)
def hardest(pool: Pool, count: int, rng: np.random.Generator, *, offset: float = 0.0) -> Picks:
    """Take the highest scores.

    Args:
        pool: With scores.
        count: Picks.
        rng: Not used.
        offset: Share of the rows, the very hardest, that is passed over (mislabelled ones stand
            there), in [0, 1); less of it where that would leave too few.

    Raises:
        BadInputError: The offset is out of range.
    """
    assert pool.scores is not None
    order = np.argsort(-pool.scores, kind="stable")
    start = min(_share(offset, len(pool), "offset"), len(pool) - count)
    rows = order[start : start + count]
    return Picks(rows, pool.scores[rows])


@method(
    "easiest",
    needs=("scores",),
    keeps="the lowest difficulty",
    cost="one sort",
    good_when="data are scarce or labels noisy",
    gain="the score, its sign turned",
    source="keep easy, Sorscher et al., arXiv 2206.14486; lowest curvature, Garg and Roy 2023",
)
def easiest(pool: Pool, count: int, rng: np.random.Generator) -> Picks:
    """Take the lowest scores.

    Args:
        pool: With scores.
        count: Picks.
        rng: Not used.
    """
    assert pool.scores is not None
    rows = np.argsort(pool.scores, kind="stable")[:count]
    return Picks(rows, -pool.scores[rows])


@method(
    "random",
    keeps="nothing in particular",
    needs=(),
    cost="none",
    good_when="always beside every other; below some 30 % kept hard to beat",
    gain="none (0)",
    source="the baseline",
)
def random_rows(pool: Pool, count: int, rng: np.random.Generator) -> Picks:
    """Draw evenly, without putting back.

    Args:
        pool: Anything.
        count: Picks.
        rng: The draw.
    """
    return Picks(rng.permutation(len(pool))[:count], np.zeros(count))


@method(
    "stratified",
    needs=("scores",),
    keeps="the distribution of difficulty",
    cost="one sort",
    good_when="a score is at hand and the hard must not crowd out the rest",
    gain="the score",
    source="proportional allocation, Neyman 1934",
    prefix=False,
)
def stratified(pool: Pool, count: int, rng: np.random.Generator, *, strata: int = 10) -> Picks:
    """Draw evenly from strata of equal size by score, each with its share.

    Args:
        pool: With scores.
        count: Picks.
        rng: The draws.
        strata: How many, 1 or more.

    Raises:
        BadInputError: There are none.
    """
    assert pool.scores is not None
    if strata < 1:
        raise BadInputError(f"{strata} strata", "Give 1 or more.")
    from selector.quotas import quotas

    order = np.argsort(pool.scores, kind="stable")
    parts = np.array_split(order, min(strata, len(order)))
    shares = quotas([len(part) for part in parts], count)
    drawn = [rng.permutation(part)[:share] for part, share in zip(parts, shares, strict=True)]
    return in_turn(drawn, pool.scores)


@method(
    "moderate",
    needs=("features", "labels"),
    keeps="the middle: neither close to the centre of its class nor far from it",
    cost="one pass and a sort",
    good_when="labels are noisy and nothing else is known; level with random at best",
    gain="distance to the median of its class, its sign turned, from the middle rank on",
    source="Xia et al., Moderate Coreset, ICLR 2023, section 3; centre as in its code: the median",
    prefix=False,
)
def moderate(pool: Pool, count: int, rng: np.random.Generator) -> Picks:
    """Take the middle of all rows ranked by distance to the coordinate-wise median of their class.

    Args:
        pool: With features and labels.
        count: Picks.
        rng: Not used.
    """
    assert pool.labels is not None
    distance = np.empty(len(pool))
    for label in np.unique(pool.labels):
        mine = np.flatnonzero(pool.labels == label)
        rows = pool.rows(mine).astype(np.float64)
        distance[mine] = np.linalg.norm(rows - np.median(rows, axis=0), axis=1)
    order = np.argsort(distance, kind="stable")
    start = (len(order) - count) // 2
    kept = order[start : start + count]
    middle = distance[order[len(order) // 2]]
    off = np.abs(distance[kept] - middle)
    closest = np.argsort(off, kind="stable")
    return Picks(kept[closest], -off[closest])


def in_turn(drawn: list[np.ndarray], scores: np.ndarray) -> Picks:
    """Several draws as one, taking turns, so that the first picks are of all strata."""
    place = np.concatenate([np.arange(len(part)) for part in drawn])
    which = np.concatenate([np.full(len(part), number) for number, part in enumerate(drawn)])
    rows = np.concatenate(drawn)[np.lexsort((which, place))].astype(np.int64)
    return Picks(rows, scores[rows])


def _share(share: float, rows: int, name: str) -> int:
    if not 0 <= share < 1:
        raise BadInputError(f"{name} is {share:g}", "Give a share from 0, below 1.")
    return int(share * rows)
