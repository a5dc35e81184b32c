"""k-center: picks that leave no row far from all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from selector.coreset.base import Picks, Pool, Told, method
from selector.coreset.options import ONLY_PYTHON

First = Literal["mean", "random"]
_CLOSE = 1e-4
"""Share of the squared lengths below which a squared distance is computed from the difference."""


@method(
    "k-center",
    needs=("features",),
    keeps="coverage: the largest distance of any row to its nearest pick",
    cost="O(nkd) time, O(n) memory",
    good_when="nothing rare may be missed, whatever else is lost: it picks outliers and "
    "mislabelled rows first, and mostly lies below random up to a third of all",
    gain="distance to the nearest pick before it (the first: to the mean); never rises",
    source="Gonzalez 1985; Sener and Savarese, arXiv 1708.00489, algorithm 1",
    kept=("distance {gain} to {kind}",),
    left=("distance {value} to its nearest pick",),
    finds={"radius": "largest distance of a row to its nearest pick"},
)
def k_center(
    pool: Pool,
    count: int,
    rng: np.random.Generator,
    *,
    first: Annotated[
        First, Field(description="the first pick: the row nearest to the mean, or one at random")
    ] = "mean",
    selected: Annotated[
        Sequence[Any],
        Field(description="ids that count as picked before, and are not picked again"),
        ONLY_PYTHON,
    ] = (),
) -> Picks:
    """Take the row that is farthest from all picks; the radius is at most twice the best one.

    ``selected`` comes here as positions.
    """
    walk = _Distances(pool)
    for row in selected:
        walk.add(int(row))
    taken, gains = [], []
    if not len(selected):
        row = _first(walk, first, rng)
        gains.append(float(np.sqrt(walk.to_mean()[row])))
        walk.add(row)
        taken.append(row)
    while len(taken) < count:
        row = walk.farthest()
        taken.append(row)
        gains.append(walk.distance(row))
        walk.add(row)
    how = "nearest to it of all" if first == "mean" else "drawn at random"
    told = walk.told(taken if not len(selected) else [], how, "the farthest of all left")
    return Picks(np.array(taken), np.array(gains), notes={"radius": walk.radius()}, told=told)


@method(
    "robust-k-center",
    needs=("features",),
    keeps="coverage of all but a share of outliers",
    cost="O(nkd) time, O(n) memory",
    good_when="as k-center, where some rows are broken or mislabelled; little better than it on "
    "real data",
    gain="distance to the nearest pick before it (the first: to the mean)",
    source=(
        "greedy sampling among the farthest: Bhaskara, Vadgama and Xu, NeurIPS 2019; an "
        "approximation to the mixed-integer search of Sener and Savarese, arXiv 1708.00489"
    ),
    kept=("distance {gain} to {kind}",),
    left=("distance {value} to its nearest pick",),
    finds={"radius": "largest distance to the nearest pick, the share of outliers left out"},
)
def robust_k_center(
    pool: Pool,
    count: int,
    rng: np.random.Generator,
    *,
    outliers: Annotated[
        float, Field(ge=0, lt=1, description="share of the rows that may stay far away")
    ] = 0.05,
    slack: Annotated[
        float,
        Field(gt=0, description="how many more than these are drawn from, as a share of them"),
    ] = 0.5,
) -> Picks:
    """Take one at random of the rows that are farthest from all picks.

    With z outliers allowed it is drawn from the (1 + slack) z farthest: each draw is a row that
    matters with probability slack / (1 + slack), whatever the outliers are.
    """
    walk = _Distances(pool)
    ignored = int(outliers * len(pool))
    among = max(1, round((1 + slack) * ignored))
    row = _first(walk, "mean", rng)
    taken, gains = [row], [float(np.sqrt(walk.to_mean()[row]))]
    walk.add(row)
    while len(taken) < count:
        row = walk.one_of_farthest(among, rng)
        taken.append(row)
        gains.append(walk.distance(row))
        walk.add(row)
    told = walk.told(taken, "nearest to it of all", "drawn from the farthest left")
    notes = {"radius": walk.radius(ignored)}
    return Picks(np.array(taken), np.array(gains), notes=notes, told=told)


class _Distances:
    """Squared distance of each row to its nearest pick, brought up to date with each pick."""

    def __init__(self, pool: Pool) -> None:
        rows = pool.rows(np.arange(len(pool)))
        # about the mean: distances are the same, and squared lengths of their size
        self.rows = rows - rows.mean(axis=0, dtype=np.float64).astype(np.float32)
        self.lengths = np.einsum("ij,ij->i", self.rows, self.rows, dtype=np.float64)
        self.squared = np.full(len(rows), np.inf)
        self.free = np.ones(len(rows), dtype=bool)

    def to_mean(self) -> np.ndarray:
        """(n,) squared distance to the mean."""
        return self.lengths

    def add(self, row: int) -> None:
        """Row is picked."""
        products = (self.rows @ self.rows[row]).astype(np.float64)
        far = self.lengths + self.lengths[row] - 2.0 * products
        # what all but cancels is not what float32 says: equal rows must be at distance 0
        near = np.flatnonzero(far <= _CLOSE * (self.lengths + self.lengths[row]))
        apart = self.rows[near].astype(np.float64) - self.rows[row]
        far[near] = np.einsum("ij,ij->i", apart, apart)
        np.minimum(self.squared, far, out=self.squared)
        self.free[row] = False

    def distance(self, row: int) -> float:
        """To the nearest pick."""
        return float(np.sqrt(self.squared[row]))

    def farthest(self) -> int:
        """Of the free rows."""
        return int(np.where(self.free, self.squared, -1.0).argmax())

    def one_of_farthest(self, among: int, rng: np.random.Generator) -> int:
        """One at random of the ``among`` farthest free rows."""
        free = np.flatnonzero(self.free)
        among = min(among, len(free))
        order = np.argsort(-self.squared[free], kind="stable")
        return int(free[order[rng.integers(among)]])

    def radius(self, ignored: int = 0) -> float:
        """Largest distance of a row to its nearest pick, but for the ``ignored`` farthest."""
        left = len(self.squared) - ignored
        return float(np.sqrt(np.partition(self.squared, left - 1)[left - 1])) if left else 0.0

    def told(self, first: Sequence[int], how: str, then: str) -> Told:
        """Distances, and how picks were taken.

        Args:
            first: Begins with the pick that was taken by its distance to the mean, if any was.
            how: It was taken.
            then: How the others were.
        """
        kind = np.ones(len(self.squared), dtype=np.int64)
        kind[list(first[:1])] = 0
        kinds = (f"the mean, the first pick, {how}", f"the nearest pick before it, {then}")
        return Told(values=np.sqrt(self.squared), kind=kind, kinds=kinds)


def _first(walk: _Distances, first: First, rng: np.random.Generator) -> int:
    return int(rng.integers(len(walk.rows)) if first == "random" else walk.to_mean().argmin())
