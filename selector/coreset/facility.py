"""Facility location: picks that every row is similar to one of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.sparse import csr_array

from selector.coreset.base import Picks, Pool, Told, method
from selector.coreset.greedy import MOST, Epsilon, Greedy, pick_greedily
from selector.coreset.similarity import Cosine, Neighbours

CHUNK = 4096
COLUMNS = 512
"""Similarities held at a time: so many rows by so many columns stay in the processor's cache."""
SHARE = 0.03
"""Rows looked at, of all, after which all are brought up to date: each pick costs that once."""
ONE = np.float32(1.5)


@method(
    "facility-location",
    needs=("features",),
    keeps="representation: the similarity of each row to the pick most like it, summed",
    cost="O(n d) for each gain that is looked at again, less from pick to pick; as much as three "
    "to four products of all with all for 100 picks of 100,000 rows; O(n) memory. With "
    "neighbours=M one product, O(n M) memory",
    good_when="1 to 10 of each class shall stand for it, for a linear model: with herding the best "
    "of the shelf there; else level with random or below it; neighbours=64 from 100,000 rows up",
    gain="similarity added, summed over all rows; never rises (stochastic: mostly)",
    source=(
        "Nemhauser, Wolsey and Fisher 1978; lazy: Minoux 1978; stochastic: Mirzasoleiman et al., "
        "arXiv 1409.7938; weights: CRAIG, arXiv 1906.01827"
    ),
    unless="but with greedy=stochastic",
    kept=("adds {gain} to the likeness of all rows to their nearest pick, {kind}",),
    left=(
        "the pick most like it is {rival}, cosine {cosine}",
        "likeness (1 + cosine) / 2 of {value} to the pick most like it among its neighbours",
        "{kind}",
    ),
)
def facility_location(
    pool: Pool,
    count: int,
    rng: np.random.Generator,
    *,
    greedy: Greedy = "lazy",
    epsilon: Epsilon = 0.01,
    neighbours: Neighbours = 0,
) -> Picks:
    """Take the row that adds most to sum_i max over picks j of s_ij, s = (1 + cos) / 2.

    Rows that no pick is a neighbour of count with the pick most like them in the weights.
    """
    neighbours = 0 if neighbours >= len(pool) - 1 else neighbours
    similar = Cosine(pool.rows(np.arange(len(pool))))
    cover = _Near(similar.graph(neighbours)) if neighbours else _Cover(similar)
    rows, gains = pick_greedily(cover, len(pool), count, rng, greedy, epsilon)
    weights = _weights(cover.owner, rows, similar)
    kind = np.full(len(pool), -1)
    kind[rows] = 0
    told = Told(kind=kind, kinds=(MOST[greedy], "no pick is among its neighbours"))
    if isinstance(cover, _Cover):
        cosine = 2.0 * (cover.best.astype(np.float64) - float(ONE))
        told = replace(told, rival=cover.owner, similarity=np.clip(cosine, -1.0, 1.0))
    else:
        kind[cover.owner < 0] = 1
        told = replace(told, values=np.where(cover.owner < 0, np.nan, cover.best))
    return Picks(rows, gains, weights, told=told)


class _Cover:
    """Similarity of each row to the pick most like it.

    What a row would add is known for some number of picks, the base. From then on it has lost what
    the rows that have since gone over to another pick have gained: only these are multiplied.
    Similarities are kept plus one, in [1, 2], where float32 is a grid of 2^-23: their differences
    and the sums of these are exact, so that no order of adding and no batch moves a gain.
    """

    def __init__(self, similar: Cosine) -> None:
        self.similar = similar
        self.best = np.ones(len(similar), dtype=np.float32)
        self.owner = np.full(len(similar), -1)
        self.base: np.ndarray | None = None
        self.base_gains = np.zeros(0)
        self.looked = 0
        self._look_at(slice(None))

    def first_gains(self) -> np.ndarray:
        """(n,) gain of each row as the first pick, rounded up."""
        sums = self.similar.sums()
        return np.asarray(sums + 1e-6 * len(sums))

    def gains(self, rows: np.ndarray) -> np.ndarray:
        """What each of some rows would add now."""
        self.looked += len(rows)
        made = np.empty(len(rows))
        for start in range(0, len(rows), COLUMNS):
            some = rows[start : start + COLUMNS]
            made[start : start + COLUMNS] = self._sum(some)
        return made if self.base is None else self.base_gains[rows] - made

    def add(self, row: int) -> None:
        """Row is picked; a row goes over to it only if it is more alike."""
        column = self.similar.halves(np.array([row]), slice(None))[0]
        column += ONE
        closer = column > self.best
        self.owner[closer] = row
        self.best[closer] = column[closer]
        if self.base is not None:
            self._look_at(np.flatnonzero(self.best > self.base))

    def renewed(self) -> np.ndarray | None:
        """(n,) gains of all now, once so large a share of the rows was looked at one by one."""
        if self.looked < SHARE * len(self.best):
            return None
        self.base_gains = self.gains(np.arange(len(self.best)))
        self.base = self.best.copy()
        self._look_at(np.zeros(0, dtype=np.int64))
        self.looked = 0
        return self.base_gains

    def _look_at(self, changed: np.ndarray | slice) -> None:
        """These rows make the difference to the base, or all there is where there is no base."""
        self.units = self.similar.units[changed]
        self.low = (self.best if self.base is None else self.base)[changed]
        self.width = None if self.base is None else self.best[changed] - self.low

    def _sum(self, rows: np.ndarray) -> np.ndarray:
        """Over the changed rows: how far above ``low`` each of some is, at most ``width``."""
        total = np.zeros(len(rows))
        halves = self.similar.units[rows] * np.float32(0.5)
        for start in range(0, len(self.low), CHUNK):
            part = slice(start, start + CHUNK)
            above = halves @ self.units[part].T
            above += ONE  # onto the grid
            above -= self.low[part]
            np.maximum(above, 0.0, out=above)
            if self.width is not None:
                np.minimum(above, self.width[part], out=above)
            total += above.sum(axis=1, dtype=np.float64)
        return total


class _Near:
    """The same where only neighbours are alike at all."""

    def __init__(self, graph: csr_array) -> None:
        self.graph = graph
        self.best = np.zeros(graph.shape[0])
        self.owner = np.full(graph.shape[0], -1)

    def first_gains(self) -> np.ndarray:
        """(n,) gain of each row as the first pick."""
        return np.asarray(self.graph.sum(axis=1))

    def gains(self, rows: np.ndarray) -> np.ndarray:
        """What each of some rows would add now."""
        some = self.graph[rows]
        some.data = np.maximum(some.data - self.best[some.indices], 0.0)
        return np.asarray(some.sum(axis=1))

    def add(self, row: int) -> None:
        """Row is picked."""
        edge = slice(self.graph.indptr[row], self.graph.indptr[row + 1])
        near, alike = self.graph.indices[edge], self.graph.data[edge]
        closer = alike > self.best[near]
        self.owner[near[closer]] = row
        self.best[near[closer]] = alike[closer]

    def renewed(self) -> None:
        """Looking at one row is cheap enough."""


def _weights(owner: np.ndarray, picks: np.ndarray, similar: Cosine) -> np.ndarray:
    """(k,) how many rows are most like each pick."""
    place = np.full(len(owner) + 1, -1)
    place[picks] = np.arange(len(picks))
    owned = place[owner]
    lost = np.flatnonzero(owned < 0)
    for start in range(0, len(lost), COLUMNS):
        some = lost[start : start + COLUMNS]
        owned[some] = similar.halves(some, picks).argmax(axis=1)
    return np.bincount(owned, minlength=len(picks))
