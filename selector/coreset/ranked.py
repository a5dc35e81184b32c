"""Rules on a score alone: the hardest, the easiest, all strata of it; and random."""

from __future__ import annotations

import numpy as np

from data_cards.errors import BadInputError
from selector.coreset.base import Picks, Pool, Told, method
from selector.outcome import number

BY_SCORE = ("{score}, {kind}; place {place} of {among} from the hardest",)
"""What is said of a row where a score decides."""


@method(
    "hardest",
    needs=("scores",),
    keeps="the highest difficulty",
    cost="one sort",
    good_when="much is kept of plenty of clean data; far below random at small budgets",
    gain="the score",
    source="the rule of EL2N and GraNd, Paul et al., arXiv 2107.07075, section 3",
    unless="but where an offset would leave too few",
    kept=BY_SCORE,
    left=BY_SCORE,
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
    told = _by_cut(pool.scores, order, start, count, ("below", "above"))
    return Picks(rows, pool.scores[rows], told=told)


@method(
    "easiest",
    needs=("scores",),
    keeps="the lowest difficulty",
    cost="one sort",
    good_when="data are scarce or labels noisy",
    gain="the score, its sign turned",
    source="keep easy, Sorscher et al., arXiv 2206.14486; lowest curvature, Garg and Roy 2023",
    kept=BY_SCORE,
    left=BY_SCORE,
)
def easiest(pool: Pool, count: int, rng: np.random.Generator) -> Picks:
    """Take the lowest scores.

    Args:
        pool: With scores.
        count: Picks.
        rng: Not used.
    """
    assert pool.scores is not None
    order = np.argsort(pool.scores, kind="stable")
    rows = order[:count]
    told = _by_cut(pool.scores, order, 0, count, ("above", "below"))
    return Picks(rows, -pool.scores[rows], told=told)


@method(
    "random",
    keeps="nothing in particular",
    needs=(),
    cost="none",
    good_when="always beside every other; below some 30 % kept hard to beat",
    gain="none (0)",
    source="the baseline",
    kept=("drawn evenly",),
    left=("not drawn",),
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
    kept=("{score}, {kind}",),
    left=("{score}, {kind}",),
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
    return in_turn(drawn, pool.scores, by_stratum(parts, drawn, pool.scores))


@method(
    "moderate",
    needs=("features", "labels"),
    keeps="the middle: neither close to the centre of its class nor far from it",
    cost="one pass and a sort",
    good_when="labels are noisy and nothing else is known; level with random at best",
    gain="distance to the median of its class, its sign turned, from the middle rank on",
    source="Xia et al., Moderate Coreset, ICLR 2023, section 3; centre as in its code: the median",
    prefix=False,
    kept=("distance {value} to the median of its class, {kind}",),
    left=("distance {value} to the median of its class, {kind}",),
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
    told = _by_band(distance, order, start, count)
    return Picks(kept[closest], -off[closest], told=told)


def in_turn(drawn: list[np.ndarray], scores: np.ndarray, told: Told) -> Picks:
    """Several draws as one, taking turns, so that the first picks are of all strata."""
    place = np.concatenate([np.arange(len(part)) for part in drawn])
    which = np.concatenate([np.full(len(part), number) for number, part in enumerate(drawn)])
    rows = np.concatenate(drawn)[np.lexsort((which, place))].astype(np.int64)
    return Picks(rows, scores[rows], told=told)


def by_stratum(parts: list[np.ndarray], drawn: list[np.ndarray], scores: np.ndarray) -> Told:
    """The stratum of each row, its range and how many of it are drawn; of others nothing.

    Args:
        parts: Positions in each stratum.
        drawn: Those that are taken.
        scores: (n,) of all rows.
    """
    kind = np.full(len(scores), -1)
    kinds = []
    for place, (part, taken) in enumerate(zip(parts, drawn, strict=True)):
        kind[part] = place
        ends = ""
        if len(part):
            ends = f" ({number(scores[part].min())} to {number(scores[part].max())})"
        kinds.append(
            f"stratum {place + 1} of {len(parts)}{ends}: {len(taken):,} of its {len(part):,} drawn"
        )
    return Told(kind=kind, kinds=kinds)


def _by_cut(
    scores: np.ndarray, order: np.ndarray, start: int, count: int, sides: tuple[str, str]
) -> Told:
    """On which side of the last pick each row stands; before ``start`` it was passed over."""
    beyond, before = sides
    cut = scores[order[start + count - 1]]
    named = f"the cut of {number(cut)}"
    kinds = (
        f"not {beyond} {named}",
        f"{beyond} {named}",
        f"level with {named}, where a hash of the id decided",
        f"one of {start:,} that the offset passes over, {before} all picks",
    )
    kind = np.ones(len(scores), dtype=np.int64)
    kind[scores == cut] = 2
    kind[order[start : start + count]] = 0
    kind[order[:start]] = 3
    return Told(kind=kind, kinds=kinds)


def _by_band(distance: np.ndarray, order: np.ndarray, start: int, count: int) -> Told:
    """Where each row lies beside the middle ranks that are kept."""
    low, high = distance[order[start]], distance[order[start + count - 1]]
    band = f"the band of {number(low)} to {number(high)} that is kept"
    kinds = (
        f"in {band}",
        f"nearer than {band}",
        f"farther than {band}",
        f"level with an end of {band}, where a hash of the id decided",
    )
    kind = np.where(distance < low, 1, np.where(distance > high, 2, 3))
    kind[order[start : start + count]] = 0
    return Told(values=distance, kind=kind, kinds=kinds)


def _share(share: float, rows: int, name: str) -> int:
    if not 0 <= share < 1:
        raise BadInputError(f"{name} is {share:g}", "Give a share from 0, below 1.")
    return int(share * rows)
