"""Semantic de-duplication as a method: what is left when near copies have gone, to the number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import numpy as np
from pydantic import Field

from selector.coreset.base import Picks, Pool, Told, method
from selector.prune.duplicates import Duplicates, First, find_duplicates, recall
from selector.prune.prototypes import default_prototype_count, fit_prototypes

TRIES = 20
"""Halvings of the range of cosines: the threshold is found to 2e-6."""


@method(
    "semdedup",
    needs=("features",),
    keeps="one of each group of near copies",
    cost="k-means, then pairs inside clusters: the largest cluster squared, in blocks; greedy "
    "without epsilon up to 20 times",
    good_when="a crawl holds many near copies: take it before any other method. Do not cut to a "
    "tenth with it: so many are no near copies, and what goes then is only somewhat alike",
    gain="distance to the centre of its cluster (first hard), or its nearness (first easy)",
    source="Abbas et al., arXiv 2303.09540, algorithm 1; greedy: only what stays lets others go",
    prefix=False,
    kept=("{kind}; distance {value} to the centre of its cluster", "{kind}"),
    left=(
        "{kind} {rival} in its cluster, cosine {cosine}",
        "{kind}; distance {value} to the centre of its cluster",
        "{kind}",
    ),
    finds={
        "rule": "whether what went lets others go, too (chains, as published), or only what stays "
        "does (greedy)",
        "clusters": "of its own, inside which copies are looked for",
        "copies": "near copies of an earlier row of their cluster, by that rule",
        "threshold": "the cosine from which they count as near copies",
        "recall": "of rows with a near copy anywhere, the share that has one within its own "
        "cluster, where copies are looked for",
    },
)
def semdedup(
    pool: Pool,
    count: int,
    rng: np.random.Generator,
    *,
    clusters: Annotated[
        int | None,
        Field(
            ge=1,
            description="how many clusters, inside which near copies are sought; no more than "
            "distinct rows; null: the root of the rows",
        ),
    ] = None,
    first: Annotated[
        First,
        Field(
            description="which of near copies stays: far from the centre of its cluster, near it, "
            "or any"
        ),
    ] = "hard",
    epsilon: Annotated[
        float | None,
        Field(
            ge=0,
            le=2,
            description="near copies have a cosine of 1 - epsilon or more; 0: copies alone; null: "
            "whatever leaves as many as asked for",
        ),
    ] = None,
    greedy: Annotated[
        bool,
        Field(
            description="whether only what stays lets others go; as published, what went does, "
            "too (chains): greedy keeps at least as many"
        ),
    ] = False,
) -> Picks:
    """Let those go that are most like an earlier row of their cluster, until ``count`` are left.

    With ``epsilon`` near copies go first and the rest is cut to ``count`` in the order of
    ``first``; where more are asked for than are left, the least alike of the copies come back. The
    notes are of a sample of 1,000 rows where they speak of recall.
    """
    rows = pool.rows(np.arange(len(pool)))
    seed = int(rng.integers(2**31))
    found = fit_prototypes(rows, clusters or default_prototype_count(len(rows)), seed=seed)
    distance = np.where(np.isnan(found.distance), 0.0, found.distance)
    ids = np.arange(len(rows))

    def copies(threshold: float | None) -> Duplicates:
        share = 1.0 - count / len(rows) if threshold is None else None
        return find_duplicates(
            rows, found.labels, distance, ids, threshold=threshold, fraction=share, first=first,
            chains=not greedy, seed=seed,
        )  # fmt: skip

    if epsilon is not None:
        gone = copies(1.0 - epsilon)
    elif greedy:
        gone = _enough_left(copies, len(rows), count)
    else:
        gone = copies(None)
    order = _order(ids, gone, distance, first, rng)
    notes = _notes(rows, found.labels, gone, greedy)
    sign = -1.0 if first == "easy" else 1.0
    told = _told(order[:count], gone, found.distance, first, exact=epsilon is not None)
    return Picks(order[:count], sign * distance[order[:count]], notes=notes, told=told)


def _enough_left(copies: Callable[[float], Duplicates], rows: int, count: int) -> Duplicates:
    """Near copies at the lowest threshold found that leaves ``count`` or more."""
    low, high = -1.0, 1.0
    best = copies(high)
    for _ in range(TRIES):
        if rows - len(best.rows) <= count:
            break
        middle = (low + high) / 2
        tried = copies(middle)
        if rows - len(tried.rows) >= count:
            best, high = tried, middle
        else:
            low = middle
    return best


def _order(
    ids: np.ndarray, gone: Duplicates, distance: np.ndarray, first: First, rng: np.random.Generator
) -> np.ndarray:
    """What stays, in the order of ``first``; then what went, the least alike before."""
    left = np.setdiff1d(ids, gone.rows)
    if first == "random":
        left = rng.permutation(left)
    else:
        sign = -1.0 if first == "hard" else 1.0
        left = left[np.argsort(sign * distance[left], kind="stable")]
    back = gone.rows[np.argsort(gone.similarity, kind="stable")]
    return np.concatenate([left, back])


def _told(
    picks: np.ndarray, gone: Duplicates, distance: np.ndarray, first: First, *, exact: bool
) -> Told:
    """Copies beside what let them go, and apart from them what went for the number alone.

    Args:
        picks: What stays.
        gone: Near copies, those that came back among them.
        distance: (n,) to the centres; NaN: the row has no cluster.
        first: What stays first of what is no copy.
        exact: Whether the cosine was given, rather than found to leave the number.
    """
    n = len(distance)
    stays = np.zeros(n, dtype=bool)
    stays[picks] = True
    near, rivals = np.full(n, -1), np.full(n, -1)
    near[gone.rows] = np.arange(len(gone.rows))
    copy = (near >= 0) & ~stays
    rivals[copy] = gone.rivals[near[copy]]
    similarity = np.full(n, np.nan)
    similarity[copy] = gone.similarity[near[copy]]
    order = {"hard": "far ones stay first", "easy": "near ones stay first", "random": "by a draw"}
    rule = f"from cosine {gone.threshold:.4f} on" + ("" if exact else ", to leave the number")
    like, to = ("near copy", "of") if exact else ("alike", "to")
    unlike = "no near copy of another" if exact else "not among the most alike"
    lost = "it has no direction, and so no cluster"
    kinds = (
        f"{unlike} in its cluster",
        "a near copy that is back, as too few others were left",
        f"{unlike} in its cluster, it went for the number alone ({order[first]})",
        f"{like} ({rule}) {to}",
        f"{like} ({rule}; by a chain, which went as well) {to}",
        f"{like} ({rule}; the other went for the number alone) {to}",
        lost,
        f"{lost}; it went for the number alone",
    )
    kind = np.where(stays, np.where(near >= 0, 1, 0), np.where(near >= 0, 3, 2))
    kind[copy & ~stays[rivals]] = 5
    kind[copy & copy[rivals]] = 4
    kind = np.where(np.isnan(distance), np.where(stays, 6, 7), kind)
    return Told(distance, kind, kinds, rivals, similarity, copy)


def _notes(
    rows: np.ndarray, labels: np.ndarray, gone: Duplicates, greedy: bool
) -> dict[str, str | int | float]:
    made: dict[str, str | int | float] = {
        "rule": "greedy" if greedy else "chains",
        "clusters": int(labels.max()) + 1,
        "copies": len(gone.rows),
    }
    if not len(gone.rows):
        return made
    made["threshold"] = gone.threshold
    anywhere, inside, _ = recall(rows, labels, np.arange(len(rows)), max(-1.0, gone.threshold))
    return made | ({"recall": inside / anywhere} if anywhere else {})
