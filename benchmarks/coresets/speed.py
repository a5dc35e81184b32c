"""Time and memory of the greedy methods: over the matrix products that they need, and plain n^2."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.coresets.plain import beside_plain
from finetune.reduce.measured import measured
from selector.coreset import Budget, choose
from selector.coreset.choose import Coreset
from selector.coreset.similarity import Cosine

ROWS, DIM, PICKS = 100_000, 512, 100
LIMIT = 3.0
NEIGHBOURS = 64
CLUSTERS, WIDTH = 300, 0.7
PLAIN = 8_000
"""Rows of the comparison with the plain way, which holds all pairs."""


def speed(kind: str, rows: int = ROWS) -> dict[str, Any]:
    """Seconds of each method over those of its products.

    Args:
        kind: Of the rows: ``"noise"`` or ``"clusters"``.
        rows: Of the pool.
    """
    features = _rows(kind, rows)
    one = _seconds(lambda: [features @ features[n] for n in range(PICKS)])
    part = features[: rows // 10]
    pairs = 10 * _seconds(
        lambda: [features @ part[i : i + 500].T for i in range(0, len(part), 500)]
    )
    found = {}
    for method, options, all_pairs in (
        ("herding", {}, False),
        ("k-center", {}, False),
        ("graph-cut", {}, False),
        ("facility-location", {"neighbours": NEIGHBOURS}, True),
        ("facility-location", {}, True),
    ):  # fmt: skip
        made, told = _measured(features, method, options)
        needed, products = (pairs, 1.0) if all_pairs else (one, None)
        if all_pairs and not options:
            products = _exact_products(features, made.rows)
            needed = pairs * products
        told |= {
            "products_seconds": needed,
            "all_with_all": products,
            "ratio": told["seconds"] / needed,
            "ratio_to_one": told["seconds"] / pairs if all_pairs else None,
        }
        name = method + "".join(f", {key}={value}" for key, value in options.items())
        found[f"{name} ({kind})"] = told
    return {"rows": rows, "dim": DIM, "picks": PICKS, "limit": LIMIT, "methods": found}


def beside_all_pairs(rows: int = PLAIN) -> dict[str, Any]:
    """Ours beside the plain way, which holds all pairs in memory.

    Args:
        rows: Of noise.
    """
    return beside_plain(_rows("noise", rows), min(PICKS, rows // 4))


def _rows(kind: str, rows: int) -> np.ndarray:
    """Gaussian noise, in which all rows are alike; or wide clusters."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((rows, DIM), dtype=np.float32)
    if kind == "noise":
        return noise
    centres = rng.standard_normal((CLUSTERS, DIM), dtype=np.float32)
    return np.asarray(centres[rng.integers(CLUSTERS, size=rows)] + WIDTH * noise)


def _measured(
    features: np.ndarray, method: str, options: dict[str, Any]
) -> tuple[Coreset, dict[str, Any]]:
    ids = np.arange(len(features))
    made, seconds, peak = measured(
        lambda: choose(ids, Budget(count=PICKS), method, features=features, **options)
    )
    return made, {"seconds": seconds, "peak_over_features": peak / features.nbytes}


def _exact_products(features: np.ndarray, picks: np.ndarray) -> float:
    """Products of all with all that keep all gains exact: once, and for what each pick changes.

    A gain is a sum over all rows; it changes where a row goes over to a new pick.
    """
    similar = Cosine(features)
    best = similar.columns(picks[:1])[:, 0]
    changed = 0
    for row in picks[1:]:
        column = similar.columns(np.array([row]))[:, 0]
        changed += int((column > best).sum())
        np.maximum(best, column, out=best)
    return 1.0 + changed / len(features)


def _seconds(work: Any) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
