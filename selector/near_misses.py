"""For the best of the not chosen: the chosen sample beside them that they lost to."""

from __future__ import annotations

import numpy as np

from selector.outcome import Outcome
from selector.picker import Options
from selector.vectors import blocks, resolve_space, space_rows

BLOCK = 4096


def note_near_misses(
    outcome: Outcome, ranked: np.ndarray, picks: list[int], options: Options
) -> None:
    """Write rival and similarity of near-misses.

    The rival is the most similar chosen sample of the same cluster (of the whole pool where there
    are no clusters); the similarity is the cosine in the space of the clusters. Rows are taken by
    place in their cluster, so that every cluster gets its share of ``options.near_misses``.

    Args:
        outcome: Stages and clusters settled.
        ranked: Positions that may be chosen, best first.
        picks: Chosen positions, first pick first.
        options: Space, image weight and the number of near-misses.
    """
    candidates = outcome.candidates
    space = resolve_space(candidates, options.space)
    rest = ranked[(outcome.rank[ranked] < 0) & (outcome.rival[ranked] < 0)]
    if space is None or not len(rest) or not picks:
        return
    near = rest[np.argsort(outcome.cluster_rank[rest], kind="stable")][: options.near_misses]
    chosen = np.asarray(picks, dtype=np.int64)
    for label in np.unique(outcome.cluster[chosen]):
        # In merit order, not in file order: the arithmetic is then the same for any row order.
        rivals = chosen[outcome.cluster[chosen] == label]
        rows = near[outcome.cluster[near] == label]
        targets, there = space_rows(candidates, rivals, space, options.image_weight)
        if not there.any():
            continue
        for block in blocks(rows, BLOCK):
            x, present = space_rows(candidates, rows[block], space, options.image_weight)
            cosine = np.where(there[None, :], x @ targets.T, -np.inf)
            best = cosine.argmax(axis=1)
            value = np.clip(cosine[np.arange(len(best)), best], -1.0, 1.0)
            outcome.rival[rows[block][present]] = rivals[best[present]]
            outcome.similarity[rows[block][present]] = value[present]
