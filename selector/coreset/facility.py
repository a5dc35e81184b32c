"""Facility location: picks that every row is similar to one of."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np

from data_cards.errors import BadInputError
from selector.coreset.base import Picks, Pool, method
from selector.coreset.similarity import Cosine

Greedy = Literal["lazy", "naive", "stochastic"]
BATCH = 64
"""Stale bounds that are brought up to date in one matrix product."""


@method(
    "facility-location",
    needs=("features",),
    keeps="representation: the similarity of each row to the pick most like it, summed",
    cost="O(n d) for each gain that is looked at again: few where rows cluster, nearly all at each "
    "pick where all are alike (noise: 25 products of all with all for 100 picks); O(n) memory",
    good_when="few picks shall stand for all; the safest of the shelf at small budgets",
    gain="similarity added, summed over all rows; never rises (stochastic: mostly)",
    source=(
        "Nemhauser, Wolsey and Fisher 1978; lazy: Minoux 1978; stochastic: Mirzasoleiman et al., "
        "arXiv 1409.7938; weights: CRAIG, arXiv 1906.01827"
    ),
    prefix=True,
)
def facility_location(
    pool: Pool,
    count: int,
    rng: np.random.Generator,
    *,
    greedy: Greedy = "lazy",
    epsilon: float = 0.01,
) -> Picks:
    """Take the row that adds most to sum_i max over picks j of s_ij, s = (1 + cos) / 2.

    Picks of ``lazy`` are those of ``naive``: no gain can rise, so that a gain of before is a bound.
    Both reach at least 1 - 1/e of the best sum. ``stochastic`` looks at n/k ln(1/epsilon) rows at
    each pick, and reaches 1 - 1/e - epsilon in the mean; its picks depend on the number of picks.

    Args:
        pool: With features.
        count: Picks.
        rng: Draws the rows that ``stochastic`` looks at.
        greedy: How.
        epsilon: Of ``stochastic``, in (0, 1).

    Raises:
        BadInputError: An option is out of range.
    """
    if greedy not in get_args(Greedy):
        raise BadInputError(f"greedy is {greedy!r}", f"One of: {', '.join(get_args(Greedy))}.")
    if not 0 < epsilon < 1:
        raise BadInputError(f"epsilon is {epsilon:g}", "Give a number between 0 and 1.")
    cover = _Cover(Cosine(pool.rows(np.arange(len(pool)))))
    if greedy == "lazy":
        taken, gains = lazy_greedy(cover.first_gains(), count, cover.gains, cover.add)
    else:
        taken, gains = [], []
        free = np.arange(len(pool))
        looked = len(pool)
        if greedy == "stochastic":
            looked = math.ceil(len(pool) / count * math.log(1 / epsilon))
        for _ in range(count):
            seen = free
            if looked < len(free):
                seen = np.sort(rng.choice(free, looked, replace=False))
            added = cover.gains(seen)
            best = int(added.argmax())
            taken.append(int(seen[best]))
            gains.append(float(added[best]))
            cover.add(taken[-1])
            free = free[free != taken[-1]]
    return Picks(np.array(taken), np.array(gains), cover.weights(np.array(taken)))


class _Cover:
    """Similarity of each row to the pick most like it."""

    def __init__(self, similar: Cosine) -> None:
        self.similar = similar
        self.best = np.zeros(len(similar), dtype=np.float32)
        self.owner = np.full(len(similar), -1)

    def first_gains(self) -> np.ndarray:
        """(n,) gain of each row as the first pick."""
        return self.similar.sums()

    def gains(self, rows: np.ndarray) -> np.ndarray:
        """What each of some rows would add now."""
        made = np.empty(len(rows))
        for start in range(0, len(rows), BATCH):
            columns = self.similar.columns(rows[start : start + BATCH])
            np.subtract(columns, self.best[:, None], out=columns)
            np.maximum(columns, 0.0, out=columns)
            made[start : start + BATCH] = columns.sum(axis=0, dtype=np.float64)
        return made

    def add(self, row: int) -> None:
        """Row is picked; a row goes over to it only if it is more alike."""
        column = self.similar.columns(np.array([row]))[:, 0]
        closer = column > self.best
        self.owner[closer] = row
        self.best[closer] = column[closer]

    def weights(self, taken: np.ndarray) -> np.ndarray:
        """How many rows are most like each pick."""
        place = np.full(len(self.owner) + 1, -1)
        place[taken] = np.arange(len(taken))
        owners = place[self.owner]
        return np.bincount(owners[owners >= 0], minlength=len(taken))


def lazy_greedy(
    bounds: np.ndarray,
    count: int,
    gains: Callable[[np.ndarray], np.ndarray],
    add: Callable[[int], None],
) -> tuple[list[int], list[float]]:
    """Greedy by gains that never rise: only bounds that could be the best are brought up to date.

    Args:
        bounds: (n,) gains of all rows as first picks.
        count: Picks.
        gains: Gives the gains of some rows now.
        add: Told of each pick.

    Returns:
        Rows in the order of picking, of equal gains the first row; and their gains.
    """
    heap = [(-bound, row) for row, bound in enumerate(bounds.tolist())]
    heapq.heapify(heap)
    fresh = np.zeros(len(bounds), dtype=np.int64)  # number of picks that a bound knows of
    taken: list[int] = []
    made: list[float] = []
    while len(taken) < count:
        bound, row = heap[0]
        if fresh[row] == len(taken):
            heapq.heappop(heap)
            taken.append(row)
            made.append(-bound)
            add(row)
            continue
        # the best few stale bounds at once: a product of several columns costs little more
        stale: list[int] = []
        while heap and len(stale) < BATCH and fresh[heap[0][1]] < len(taken):
            stale.append(heapq.heappop(heap)[1])
        rows = np.array(stale)
        fresh[rows] = len(taken)
        for gain, one in zip(gains(rows).tolist(), stale, strict=True):
            heapq.heappush(heap, (-gain, one))
    return taken, made
