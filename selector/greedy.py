"""Best first: one walk down the ranking that keeps to quotas and passes near-duplicates by."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from selector.duplicates import PickedVectors

SLAB = 1024
"""Candidates compared with the picks in one matrix product."""


@dataclass
class Picks:
    """What a walk took, and what it passed by.

    Attributes:
        rows: Picked positions, first pick first.
        by_quota: How many of them, from the first, took a place of their own cluster.
        repeats: Positions passed by as near-duplicates.
        rivals: For each of them the pick that it nearly repeats.
        similarities: And the smallest cosine over the modalities.
    """

    rows: list[int] = field(default_factory=list)
    by_quota: int = 0
    repeats: list[int] = field(default_factory=list)
    rivals: list[int] = field(default_factory=list)
    similarities: list[float] = field(default_factory=list)


def greedy_picks(
    ranked: np.ndarray,
    budget: int,
    *,
    labels: np.ndarray | None = None,
    places: np.ndarray | None = None,
    picked: PickedVectors | None = None,
) -> Picks:
    """Walk down the ranking and take what fits.

    First walk: a candidate is taken if its cluster has a place left and it nearly repeats nothing
    picked before. Second walk, if near-duplicates left places empty: the best of the rest,
    whatever their cluster, under the same test. Since every candidate meets only better ones,
    a near-duplicate's rival is never worse than it, and raising the quality of a pick keeps it
    picked.

    Args:
        ranked: (m,) positions, best first.
        budget: Picks wanted.
        labels: (n,) cluster of each position; with ``places``.
        places: Places per cluster.
        picked: Where near-duplicates are to be passed by: an empty holder for the picks.

    Returns:
        The picks: ``min(budget, m)``, less what near-duplicates make impossible.
    """
    picks = Picks()
    budget = min(budget, len(ranked))
    if labels is None or places is None:
        _walk(ranked, np.zeros(len(ranked), dtype=np.int64), [budget], budget, picked, picks)
        picks.by_quota = len(picks.rows)
        return picks
    _walk(ranked, labels[ranked], [int(p) for p in places], budget, picked, picks)
    picks.by_quota = len(picks.rows)
    if len(picks.rows) < budget:
        seen = np.zeros(len(labels), dtype=bool)
        seen[picks.rows] = True
        seen[picks.repeats] = True
        rest = ranked[~seen[ranked]]
        _walk(rest, np.zeros(len(rest), dtype=np.int64), [len(rest)], budget, picked, picks)
    return picks


def _walk(
    ranked: np.ndarray,
    labels: np.ndarray,
    left: list[int],
    budget: int,
    picked: PickedVectors | None,
    picks: Picks,
) -> None:
    """One walk; ``labels`` run along ``ranked``, ``left`` is used up."""
    start = 0
    while start < len(ranked) and len(picks.rows) < budget and any(left):
        # Skip what lies in closed clusters without looking at its vectors.
        stop = min(start + 64 * SLAB, len(ranked))
        is_open = np.asarray(left) > 0
        entries = start + np.flatnonzero(is_open[labels[start:stop]])
        if len(entries) > SLAB:
            entries = entries[:SLAB]
            stop = int(entries[-1]) + 1
        start = stop
        if len(entries):
            _take(ranked[entries], labels[entries].tolist(), left, budget, picked, picks)


def _take(
    rows: np.ndarray,
    labels: list[int],
    left: list[int],
    budget: int,
    picked: PickedVectors | None,
    picks: Picks,
) -> None:
    """Go through one slab of candidates in order."""
    loaded = picked.load(rows) if picked is not None else []
    if picked is not None and loaded:
        rival, similarity = picked.nearest(loaded)
    else:
        rival = np.full(len(rows), -1, dtype=np.int64)
        similarity = np.full(len(rows), -np.inf, dtype=np.float32)
    for at, row in enumerate(rows.tolist()):
        if len(picks.rows) == budget:
            return
        if not left[labels[at]]:
            continue
        if rival[at] >= 0:
            picks.repeats.append(row)
            picks.rivals.append(int(rival[at]))
            picks.similarities.append(float(similarity[at]))
            continue
        left[labels[at]] -= 1
        picks.rows.append(row)
        if picked is None or not loaded:
            continue
        picked.add(row, loaded, at)
        ahead = [(vectors[at + 1 :], present[at + 1 :]) for vectors, present in loaded]
        new_rival, new_similarity = picked.nearest(ahead, since=picked.count - 1)
        closer = new_similarity > similarity[at + 1 :]
        rival[at + 1 :][closer] = new_rival[closer]
        similarity[at + 1 :][closer] = new_similarity[closer]
