"""Herding: picks whose mean stays as close as it can to the mean of all."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from pydantic import Field

from selector.coreset.base import Picks, Pool, Told, method


@method(
    "herding",
    needs=("features",),
    keeps="the mean: every prefix matches it as well as it can",
    cost="O(nkd) time, O(n) memory",
    good_when="1 to 10 of each class are kept, by features in which the mean says much: with "
    "facility-location the best of the shelf there; nowhere worse than random in our tests",
    gain="distance of the mean of the picks so far from the mean of all; lower is better",
    source="Welling, Herding dynamical weights to learn, ICML 2009; iCaRL, arXiv 1611.07725",
    kept=("with it the mean of the picks lies {gain} from the mean of all (lower is better)",),
    left=(
        "as the next pick it would bring their mean to {value} from the mean of all (lower is "
        "better)",
    ),
)
def herding(
    pool: Pool,
    count: int,
    rng: np.random.Generator,
    *,
    normalise: Annotated[
        bool, Field(description="bring rows to length 1 first, as iCaRL's code does")
    ] = False,
) -> Picks:
    """Take the row that brings the mean of the picks closest to the mean of all.

    argmin over free i of ||(t + 1) mu - s - h_i||, s the sum of the picks. With centred rows
    (mu = 0) that is argmin 2 <s, h_i> + ||h_i||^2, whose products are added to with each pick.
    """
    rows = pool.rows(np.arange(len(pool)))
    if normalise:
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    rows = rows - rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    squared = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
    merit = squared.copy()  # 2 <s, h_i> + ||h_i||^2
    free = np.ones(len(rows), dtype=bool)
    total = np.zeros(rows.shape[1])
    taken = np.empty(count, dtype=np.int64)
    gains = np.empty(count)
    for place in range(count):
        left = np.flatnonzero(free)
        row = int(left[merit[left].argmin()])
        taken[place] = row
        total += rows[row]
        gains[place] = float(np.linalg.norm(total)) / (place + 1)
        merit += 2.0 * (rows @ rows[row]).astype(np.float64)
        free[row] = False
    after = np.sqrt(np.maximum(total @ total + merit, 0.0)) / (count + 1)
    return Picks(taken, gains, told=Told(values=after))


def mean_distance(features: np.ndarray, rows: Any) -> float:
    """||mean of some rows - mean of all||, what herding keeps small."""
    exact = np.asarray(features, dtype=np.float64)
    return float(np.linalg.norm(exact[rows].mean(axis=0) - exact.mean(axis=0)))
