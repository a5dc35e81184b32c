"""Semantic de-duplication as a method: what is left when near copies have gone, to the number."""

from __future__ import annotations

import numpy as np

from selector.coreset.base import Picks, Pool, method
from selector.prune.duplicates import First, find_duplicates
from selector.prune.prototypes import default_prototype_count, fit_prototypes


@method(
    "semdedup",
    needs=("features",),
    keeps="one of each group of near copies",
    cost="k-means, then pairs inside clusters: the largest cluster squared, in blocks",
    good_when="the web was crawled: before everything else; not to cut to a tenth",
    gain="distance to the centre of its cluster (first hard), or its nearness (first easy)",
    source="Abbas et al., arXiv 2303.09540, algorithm 1",
    prefix=False,
)
def semdedup(
    pool: Pool,
    count: int,
    rng: np.random.Generator,
    *,
    clusters: int | None = None,
    first: First = "hard",
    chains: bool = False,
) -> Picks:
    """Let those go that are most like an earlier row of their cluster, until ``count`` are left.

    Args:
        pool: With features.
        count: Picks.
        rng: The seed of the clusters.
        clusters: How many; ``None``: the root of the rows.
        first: Which of near copies stays: ``"hard"`` (far from the centre), ``"easy"``,
            ``"random"``.
        chains: Whether what went lets others go, too, as published.

    Raises:
        BadInputError: An option is out of range.
    """
    rows = pool.rows(np.arange(len(pool)))
    seed = int(rng.integers(2**31))
    found = fit_prototypes(rows, clusters or default_prototype_count(len(rows)), seed=seed)
    distance = np.where(np.isnan(found.distance), 0.0, found.distance)
    ids = np.arange(len(rows))
    gone = find_duplicates(
        rows, found.labels, distance, ids,
        fraction=1.0 - count / len(rows), first=first, chains=chains, seed=seed,
    )  # fmt: skip
    left = np.setdiff1d(ids, gone.rows)
    sign = -1.0 if first == "easy" else 1.0
    order = left[np.argsort(-sign * distance[left], kind="stable")]
    if len(order) < count:  # fewer have something like them than must go: the likest come back
        likest = gone.rows[np.argsort(gone.similarity, kind="stable")]
        order = np.concatenate([order, likest])
    return Picks(order[:count], sign * distance[order[:count]])
