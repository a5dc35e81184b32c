"""Rules on a score alone: the hardest, the easiest, all strata of it; and random."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field

from selector.coreset.base import FEWEST, Picks, Pool, Told, method
from selector.outcome import number

BY_SCORE = ("{score}, {kind}; place {place} of {among} from the hardest",)
"""What is said of a row where a score decides."""
_EXACT = 17
"""Significant digits that tell any two numbers apart."""


@method(
    "hardest",
    needs=("scores",),
    keeps="the highest difficulty",
    cost="one sort",
    good_when="a third or more is kept of plenty of clean data; far below random at small budgets "
    "and with noisy labels",
    gain="the score",
    source="the rule of EL2N and GraNd, Paul et al., arXiv 2107.07075, section 3",
    unless="but where an offset would leave too few",
    kept=BY_SCORE,
    left=BY_SCORE,
)
def hardest(
    pool: Pool,
    count: int,
    rng: np.random.Generator,
    *,
    offset: Annotated[
        float,
        Field(
            ge=0,
            lt=1,
            description="share of the rows, the very hardest, that is passed over (mislabelled "
            "ones stand there); less of it where that would leave too few",
        ),
    ] = 0.0,
) -> Picks:
    """Take the highest scores."""
    assert pool.scores is not None
    order = np.argsort(-pool.scores, kind="stable")
    start = min(int(offset * len(pool)), len(pool) - count)
    rows = order[start : start + count]
    told = _by_cut(pool.scores, order, start, count, "below")
    return Picks(rows, pool.scores[rows], told=told)


@method(
    "easiest",
    needs=("scores",),
    keeps="the lowest difficulty",
    cost="one sort",
    good_when="labels are noisy, or 1 to 5 of each class are kept; else mostly below random",
    gain="the score, its sign turned",
    source="keep easy, Sorscher et al., arXiv 2206.14486; lowest curvature, Garg and Roy 2023",
    kept=BY_SCORE,
    left=BY_SCORE,
)
def easiest(pool: Pool, count: int, rng: np.random.Generator) -> Picks:
    """Take the lowest scores."""
    assert pool.scores is not None
    order = np.argsort(pool.scores, kind="stable")
    rows = order[:count]
    told = _by_cut(pool.scores, order, 0, count, "above")
    return Picks(rows, -pool.scores[rows], told=told)


@method(
    "random",
    keeps="a fair draw: every row is as likely as any other",
    needs=(),
    cost="next to nothing",
    good_when="always, beside every other: where a tenth or more of all together is kept, "
    "hardly any method is better",
    gain="0 for every pick: a draw has no reason",
    source="the baseline",
    kept=("drawn evenly",),
    left=("not drawn",),
)
def random_rows(pool: Pool, count: int, rng: np.random.Generator) -> Picks:
    """Draw evenly, without putting back."""
    return Picks(rng.permutation(len(pool))[:count], np.zeros(count))


@method(
    "stratified",
    needs=("scores",),
    keeps="the distribution of difficulty",
    cost="one sort",
    good_when="a score is at hand and little else is known: nowhere worse than random in our "
    "tests, better with few of each class",
    gain="the score",
    source="proportional allocation, Neyman 1934",
    prefix=False,
    kept=("{score}, {kind}",),
    left=("{score}, {kind}",),
)
def stratified(
    pool: Pool,
    count: int,
    rng: np.random.Generator,
    *,
    strata: Annotated[
        int,
        Field(ge=1, description="how many strata of equal size; no more than there are rows"),
    ] = 10,
) -> Picks:
    """Draw evenly from strata of equal size by score, each with its share."""
    assert pool.scores is not None
    from selector.quotas import quotas

    order = np.argsort(pool.scores, kind="stable")
    parts = np.array_split(order, min(strata, len(order)))
    shares = quotas([len(part) for part in parts], count)
    drawn = [rng.permutation(part)[:share] for part, share in zip(parts, shares, strict=True)]
    return in_turn(drawn, pool.scores, by_stratum(parts, drawn, pool.scores))


@method(
    "moderate",
    needs=("features", "labels"),
    keeps="the middle of all rows by distance to the median of their class",
    cost="one pass and a sort",
    good_when="it is to be compared with; level with random with few of each class, below it where "
    "more is kept",
    gain="distance to the median of its class, its sign turned, from the middle rank on",
    source="Xia et al., Moderate Coreset, ICLR 2023, section 3; centre as in its code: the median",
    prefix=False,
    kept=("distance {value} to the median of its class, {kind}",),
    left=("distance {value} to the median of its class, {kind}",),
)
def moderate(pool: Pool, count: int, rng: np.random.Generator) -> Picks:
    """Take the middle of all rows ranked by distance to the median of their class.

    The median is that of each coordinate.
    """
    assert pool.labels is not None
    distance = np.empty(len(pool))
    by_class = np.argsort(pool.labels, kind="stable")
    for mine in np.split(by_class, np.flatnonzero(np.diff(pool.labels[by_class])) + 1):
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
        drawn_of_it = f"{len(taken):,} of its {len(part):,} drawn"
        kinds.append(f"stratum {place + 1:,} of {len(parts):,}{ends}: {drawn_of_it}")
    return Told(kind=kind, kinds=kinds)


def _by_cut(scores: np.ndarray, order: np.ndarray, start: int, count: int, beyond: str) -> Told:
    """On which side of the last pick each row stands; before ``start`` it was passed over."""
    cut = scores[order[start + count - 1]]

    def kinds(digits: int) -> tuple[str, ...]:
        named = f"the cut of {_written(cut, digits)}"
        return (
            f"not {beyond} {named}",
            f"{beyond} {named}",
            f"level with {named}, where a hash of the id decided",
            f"one of {start:,} that the offset passes over",
        )

    kind = np.ones(len(scores), dtype=np.int64)
    kind[scores == cut] = 2
    kind[order[start : start + count]] = 0
    kind[order[:start]] = 3
    return _telling(kind, kinds, _digits(scores, cut))


def _by_band(distance: np.ndarray, order: np.ndarray, start: int, count: int) -> Told:
    """Where each row lies beside the middle ranks that are kept."""
    low, high = distance[order[start]], distance[order[start + count - 1]]

    def kinds(digits: int) -> tuple[str, ...]:
        band = f"the band of {_written(low, digits)} to {_written(high, digits)} that is kept"
        return (
            f"in {band}",
            f"nearer than {band}",
            f"farther than {band}",
            f"level with an end of {band}, where a hash of the id decided",
        )

    kind = np.where(distance < low, 1, np.where(distance > high, 2, 3))
    kind[order[start : start + count]] = 0
    digits = np.maximum(_digits(distance, low), _digits(distance, high))
    return replace(_telling(kind, kinds, digits), values=distance)


def _telling(kind: np.ndarray, kinds: Callable[[int], tuple[str, ...]], digits: np.ndarray) -> Told:
    """Kinds whose words hold numbers, each row's with its own digits.

    Args:
        kind: (n,) which of the kinds.
        kinds: In words with so many digits.
        digits: (n,) digits.
    """
    used, which = np.unique(digits, return_inverse=True)
    words = [kinds(some) for some in used.tolist()]
    return Told(
        kind=which * len(words[0]) + kind,
        kinds=[one for every in words for one in every],
        digits=digits,
    )


def _digits(values: np.ndarray, mark: float) -> np.ndarray:
    """(n,) significant digits, the fewest that tell a value from a mark that it is not."""
    digits = np.full(len(values), FEWEST)
    share = 10.0 ** (2 - FEWEST)  # of the mark; what is farther off is written otherwise
    least, most = sorted((float(mark) * (1 - share), float(mark) * (1 + share)))
    alike = np.flatnonzero((values >= least) & (values <= most) & (values != mark))
    for more in range(FEWEST, _EXACT):
        named = _written(mark, more)
        same = [_written(value, more) == named for value in values[alike].tolist()]
        alike = alike[np.array(same, dtype=bool)]
        if not len(alike):
            break
        digits[alike] = more + 1
    return digits


def _written(value: float, digits: int) -> str:
    return f"{value + 0.0:.{digits}g}"
