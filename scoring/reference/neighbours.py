"""The nearest rows of a reference, in bounded memory."""

from __future__ import annotations

import numpy as np

from scoring.metrics.diversity import JointSpace
from scoring.reference.held import HeldSpace

QUERIES, AMONG = 1_024, 2_048
"""Rows of either side that are in memory at a time."""


def nearest_in(
    space: JointSpace,
    rows: np.ndarray,
    other: JointSpace | HeldSpace,
    among: np.ndarray,
    k: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Cosines of the k nearest rows of another space, and which is the nearest.

    Exact at any size: every pair is looked at, a block at a time.

    Args:
        space: Where the rows are.
        rows: (m,) usable positions in it.
        other: Where the neighbours are.
        among: (a,) usable positions in it, a > 0; of equally near ones the first counts.
        k: Neighbours wanted.

    Returns:
        (m, min(k, a)) float32 cosines, nearest first; (m,) entry of ``among`` that is nearest.
    """
    k = min(k, len(among))
    best = np.full((len(rows), k), -np.inf, dtype=np.float32)
    place = np.zeros(len(rows), dtype=np.int64)
    for start in range(0, len(rows), QUERIES):
        queries = space.rows(rows[start : start + QUERIES])
        mine = slice(start, start + len(queries))
        top = np.full(len(queries), -np.inf, dtype=np.float32)
        for first in range(0, len(among), AMONG):
            cosines = queries @ other.rows(among[first : first + AMONG]).T
            found = cosines.argmax(axis=1)
            value = cosines[np.arange(len(queries)), found]
            closer = value > top
            top[closer] = value[closer]
            place[mine][closer] = first + found[closer]
            if cosines.shape[1] > k:
                cosines = np.partition(cosines, -k, axis=1)[:, -k:]
            both = np.concatenate([best[mine], cosines], axis=1)
            best[mine] = np.partition(both, -k, axis=1)[:, -k:]
    return np.sort(best, axis=1)[:, ::-1], place
