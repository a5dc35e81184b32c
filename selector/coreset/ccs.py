"""Coverage-centric selection: no stratum of difficulty is left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field

from selector.coreset.base import Picks, Pool, method
from selector.coreset.ranked import by_stratum, in_turn
from selector.outcome import number

Cut = Annotated[
    float,
    Field(
        ge=0,
        lt=1,
        description="share of the rows, the hardest, that is left out; less of it where too few "
        "would be left",
    ),
]


@method(
    "ccs",
    needs=("scores",),
    keeps="coverage of every difficulty but the hardest",
    cost="one sort",
    good_when="labels are noisy and half or more is kept; with few of each class level with random "
    "or above it, below it where half or more of clean data is kept",
    gain="the score",
    source="Zheng et al., arXiv 2210.15809, algorithm 1",
    prefix=False,
    kept=("{score}, {kind}",),
    left=("{score}, {kind}",),
)
def ccs(
    pool: Pool,
    count: int,
    rng: np.random.Generator,
    *,
    cut: Cut = 0.3,
    strata: Annotated[
        int, Field(ge=1, le=10_000, description="how many strata of equal width; some may be empty")
    ] = 50,
) -> Picks:
    """Leave the hardest out, cut the range of scores into strata, and draw evenly from each.

    Strata are of equal width; those that are too small for their share pass it on.
    """
    assert pool.scores is not None
    left = max(count, len(pool) - int(cut * len(pool)))
    order, hard = np.split(np.argsort(pool.scores, kind="stable"), [left])
    scores = pool.scores[order]
    edges = np.linspace(scores[0], scores[-1], strata + 1)
    which = np.clip(np.searchsorted(edges, scores, side="right") - 1, 0, strata - 1)
    parts = np.split(order, np.searchsorted(which, np.arange(1, strata)))  # both rise
    budgets = stratum_budgets([len(part) for part in parts], count)
    drawn = [rng.permutation(part)[:size] for part, size in zip(parts, budgets, strict=True)]
    told = by_stratum(parts, drawn, pool.scores)
    assert told.kind is not None
    told.kind[hard] = strata
    off = f"cut off as too hard: one of the {len(hard):,} hardest, none of which is drawn"
    last = f", strata end at {number(scores[-1])}"
    return in_turn(drawn, pool.scores, replace(told, kinds=[*told.kinds, off + last]))


def stratum_budgets(sizes: list[int], count: int) -> list[int]:
    """Equal shares, from the smallest stratum to the largest; what one cannot give is passed on.

    Args:
        sizes: Of the strata; empty ones get nothing.
        count: Picks, at most the sum of the sizes.

    Returns:
        Picks of each stratum; they add up to ``count``.
    """
    budgets = [0] * len(sizes)
    visited = sorted((size, which) for which, size in enumerate(sizes) if size)
    rest = count
    for place, (size, which) in enumerate(visited):
        budgets[which] = min(size, rest // (len(visited) - place))
        rest -= budgets[which]
    return budgets
