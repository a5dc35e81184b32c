"""The greedy ways of picking by gains that never rise: naive, lazy, stochastic."""

from __future__ import annotations

import heapq
import math
from typing import Annotated, Literal, Protocol

import numpy as np
from pydantic import Field

Greedy = Annotated[
    Literal["lazy", "naive", "stochastic"],
    Field(
        description="lazy and naive pick the same, by fewer or simpler products; stochastic looks "
        "at some rows alone for each pick"
    ),
]
Epsilon = Annotated[
    float,
    Field(
        gt=0,
        lt=1,
        description="of greedy=stochastic, what it may fall short by in the mean, for the best sum "
        "1; less looks at more rows",
    ),
]
MOST: dict[str, str] = {
    "lazy": "the most of all that were left",
    "naive": "the most of all that were left",
    "stochastic": "the most of those looked at",
}
"""What is true of the gain of each pick."""
BATCH = 64
"""Old gains that are brought up to date at once: a product of several columns costs little more."""


class Objective(Protocol):
    """A monotone or not, but submodular, sum over picks: what a row adds never rises."""

    def first_gains(self) -> np.ndarray:
        """(n,) what each row would add as the first pick, or a little more."""

    def gains(self, rows: np.ndarray) -> np.ndarray:
        """What each of some rows would add now."""

    def add(self, row: int) -> None:
        """Row is picked."""

    def renewed(self) -> np.ndarray | None:
        """(n,) what every row would add now, where asking for all has become the cheaper way."""


def pick_greedily(
    objective: Objective,
    size: int,
    count: int,
    rng: np.random.Generator,
    greedy: Greedy,
    epsilon: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Take, pick by pick, the row that adds most; of those that add the same, the first.

    ``lazy`` and ``naive`` pick the same. Both reach at least 1 - 1/e of the best sum where the sum
    is monotone. ``stochastic`` looks at n/k ln(1/epsilon) rows at each pick, and then reaches
    1 - 1/e - epsilon in the mean; its picks depend on the number of picks.

    Args:
        objective: The sum.
        size: Rows, n.
        count: Picks, k.
        rng: Draws the rows that ``stochastic`` looks at.
        greedy: How.
        epsilon: Of ``stochastic``, in (0, 1).

    Returns:
        (k,) rows in the order of picking, and their gains.
    """
    if greedy == "lazy":
        return _lazy(objective, count)
    taken = np.empty(count, dtype=np.int64)
    made = np.empty(count)
    free = np.arange(size)
    looked = size
    if greedy == "stochastic":
        looked = math.ceil(size / count * math.log(1 / epsilon))
    for place in range(count):
        seen = free
        if looked < len(free):
            seen = np.sort(rng.choice(free, looked, replace=False))
        added = objective.gains(seen)
        best = int(added.argmax())
        taken[place], made[place] = seen[best], added[best]
        objective.add(int(seen[best]))
        free = free[free != seen[best]]
    return taken, made


def _lazy(objective: Objective, count: int) -> tuple[np.ndarray, np.ndarray]:
    """A gain of before is a bound: only bounds that could be the best are brought up to date."""
    bounds = objective.first_gains()
    known = np.full(len(bounds), -1)  # number of picks that a bound knows of
    free = np.ones(len(bounds), dtype=bool)
    heap = _heap(bounds, free)
    taken = np.empty(count, dtype=np.int64)
    made = np.empty(count)
    for place in range(count):
        while known[heap[0][1]] < place:
            renewed = objective.renewed()
            if renewed is not None:
                known[:] = place
                heap = _heap(renewed, free)
                continue
            stale: list[int] = []
            while heap and len(stale) < BATCH and known[heap[0][1]] < place:
                stale.append(heapq.heappop(heap)[1])
            rows = np.array(stale)
            known[rows] = place
            for gain, row in zip(objective.gains(rows).tolist(), stale, strict=True):
                heapq.heappush(heap, (-gain, row))
        bound, row = heapq.heappop(heap)
        taken[place], made[place] = row, -bound
        free[row] = False
        objective.add(row)
    return taken, made


def _heap(bounds: np.ndarray, free: np.ndarray) -> list[tuple[float, int]]:
    rows = np.flatnonzero(free)
    heap = list(zip((-bounds[rows]).tolist(), rows.tolist(), strict=True))
    heapq.heapify(heap)
    return heap
