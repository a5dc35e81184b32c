"""The plain n² way of three methods, all pairs in memory, timed and weighed beside ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from finetune.reduce.measured import measured
from selector.coreset import Budget, choose
from selector.coreset.similarity import Cosine


def herding(rows: np.ndarray, count: int) -> list[int]:
    """Welling's rule on the matrix of inner products."""
    centred = rows - rows.mean(axis=0)
    gram = centred @ centred.T
    squared, towards = np.diag(gram).copy(), np.zeros(len(rows), np.float32)
    taken: list[int] = []
    for _ in range(count):
        merit = 2.0 * towards + squared
        merit[taken] = np.inf
        taken.append(int(merit.argmin()))
        towards = gram[:, taken].sum(axis=1)
    return taken


def k_center(rows: np.ndarray, count: int) -> list[int]:
    """Farthest first on the matrix of distances."""
    lengths = np.einsum("ij,ij->i", rows, rows)
    far = np.sqrt(np.maximum(lengths[:, None] + lengths - 2.0 * (rows @ rows.T), 0.0))
    np.fill_diagonal(far, 0.0)
    taken = [int(np.linalg.norm(rows - rows.mean(axis=0), axis=1).argmin())]
    while len(taken) < count:
        nearest = far[:, taken].min(axis=1)
        nearest[taken] = -1.0
        taken.append(int(nearest.argmax()))
    return taken


def facility_location(rows: np.ndarray, count: int) -> list[int]:
    """Each gain computed anew at each pick."""
    similar = Cosine(rows).columns(np.arange(len(rows)))
    best = np.zeros(len(rows), np.float32)
    taken: list[int] = []
    for _ in range(count):
        gains = np.maximum(similar - best[:, None], 0).sum(axis=0)
        gains[taken] = -1
        taken.append(int(gains.argmax()))
        best = np.maximum(best, similar[:, taken[-1]])
    return taken


PLAIN: dict[str, Callable[[np.ndarray, int], list[int]]] = {
    "herding": herding,
    "k-center": k_center,
    "facility-location": facility_location,
}


def beside_plain(features: np.ndarray, picks: int) -> dict[str, Any]:
    """Seconds and peak bytes of the plain way and of ours, and the share of picks in both.

    Args:
        features: (n, d) float32; n² must fit in memory several times.
        picks: k.
    """
    ids, found = np.arange(len(features)), {}
    for name, plain in PLAIN.items():
        theirs, plain_seconds, plain_bytes = measured(lambda plain=plain: plain(features, picks))
        ours, seconds, peak = measured(
            lambda name=name: choose(ids, Budget(count=picks), name, features=features)
        )
        found[name] = {
            "plain_seconds": plain_seconds, "ours_seconds": seconds,
            "plain_bytes": plain_bytes, "ours_bytes": peak,
            "same": len(set(theirs) & set(ours.rows.tolist())) / picks,
        }  # fmt: skip
    return {"rows": len(features), "dim": features.shape[1], "picks": picks, "methods": found}
