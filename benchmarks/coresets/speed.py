"""Time and memory of the greedy methods: over the matrix products that they need, and plain n^2."""

from __future__ import annotations

import time
import tracemalloc
from typing import Any

import numpy as np

from selector.coreset import Budget, choose
from selector.coreset.similarity import Cosine

ROWS, DIM, PICKS = 100_000, 512, 100
LIMIT = 3.0
PLAIN = 3_000
"""Rows of the comparison with the plain way, which holds all pairs."""


def speed(rows: int = ROWS) -> dict[str, Any]:
    """Seconds of each method over those of the products that it cannot do without."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((rows, DIM), dtype=np.float32)
    ids = np.arange(rows)
    one = _seconds(lambda: [features @ features[n] for n in range(PICKS)])
    part = features[: rows // 10]
    pairs = 10 * _seconds(
        lambda: [features @ part[i : i + 500].T for i in range(0, len(part), 500)]
    )
    found = {}
    for method, needed in (
        ("herding", one), ("k-center", one), ("graph-cut", one), ("facility-location", pairs)
    ):  # fmt: skip
        tracemalloc.start()
        began = time.perf_counter()
        choose(ids, Budget(count=PICKS), method, features=features)
        seconds = time.perf_counter() - began
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        found[method] = {
            "seconds": seconds,
            "products_seconds": needed,
            "ratio": seconds / needed,
            "peak_over_features": peak / features.nbytes,
        }
    return {"rows": rows, "dim": DIM, "picks": PICKS, "limit": LIMIT, "methods": found,
            "plain": _plain(features[:PLAIN])}  # fmt: skip


def _plain(features: np.ndarray) -> dict[str, Any]:
    """Facility location with all similarities in memory, each gain computed anew."""
    began = time.perf_counter()
    similar = Cosine(features).columns(np.arange(len(features)))
    best = np.zeros(len(features), np.float32)
    taken: list[int] = []
    for _ in range(PICKS):
        gains = np.maximum(similar - best[:, None], 0).sum(axis=0)
        gains[taken] = -1
        taken.append(int(gains.argmax()))
        best = np.maximum(best, similar[:, taken[-1]])
    plain = time.perf_counter() - began
    began = time.perf_counter()
    choose(np.arange(len(features)), Budget(count=PICKS), "facility-location", features=features)
    ours = time.perf_counter() - began
    return {"rows": len(features), "plain_seconds": plain, "ours_seconds": ours,
            "plain_bytes": similar.nbytes * 2}  # fmt: skip


def _seconds(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
