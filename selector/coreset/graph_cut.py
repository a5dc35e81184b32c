"""Graph cut: picks that are like many rows and unlike each other."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field
from scipy.sparse import csr_array

from selector.coreset.base import Picks, Pool, Told, method
from selector.coreset.greedy import MOST, Epsilon, Greedy, pick_greedily
from selector.coreset.similarity import Cosine, Neighbours


@method(
    "graph-cut",
    needs=("features",),
    keeps="likeness to all, less likeness among the picks",
    cost="O(nkd) time, O(n) memory: sums of similarities need no matrix. With neighbours=M one "
    "product of all with all, O(n M) memory",
    good_when="1 to 5 of each class are kept; with more it stays near the middle, as likeness to "
    "all outweighs likeness among few picks, and lies level with random or below it",
    gain="weight times similarity to all rows, less similarity to the picks, counted twice",
    source=(
        "graph cut, as in Iyer et al., Submodular Combinatorial Information Measures with "
        "Applications in Machine Learning, ALT 2021, section 2"
    ),
    unless="but with greedy=stochastic",
    kept=("adds {gain} to likeness to all less likeness among the picks, {kind}",),
    left=("as the next pick it would add {value} to likeness to all less that among the picks",),
)
def graph_cut(
    pool: Pool,
    count: int,
    rng: np.random.Generator,
    *,
    weight: Annotated[
        float,
        Field(gt=0, description="of the likeness to all; from 2 up no pick makes the sum smaller"),
    ] = 2.0,
    greedy: Greedy = "naive",
    epsilon: Epsilon = 0.01,
    neighbours: Neighbours = 0,
) -> Picks:
    """Take the row that adds most to weight sum_i,j s_ij - sum_j,l s_jl over picks j, l.

    Every pick lowers all gains by about as much, so that ``greedy="naive"``, one product of all
    rows with one, is the fastest.
    """
    neighbours = 0 if neighbours >= len(pool) - 1 else neighbours
    similar = Cosine(pool.rows(np.arange(len(pool))))
    cut = _Near(similar.graph(neighbours), weight) if neighbours else _Cut(similar, weight)
    rows, gains = pick_greedily(cut, len(pool), count, rng, greedy, epsilon)
    every = np.arange(len(pool))
    told = Told(values=cut.gains(every), kind=np.zeros_like(every), kinds=(MOST[greedy],))
    return Picks(rows, gains, told=told)


class _Cut:
    """Likeness to all, and to the picks: both follow from sums of unit rows."""

    def __init__(self, similar: Cosine, weight: float) -> None:
        self.units = similar.units
        own = np.einsum("ij,ij->i", self.units, self.units, dtype=np.float64)
        self.merit = weight * similar.sums() - (1.0 + own) / 2.0
        self.total = np.zeros(self.units.shape[1])
        self.picks = 0

    def first_gains(self) -> np.ndarray:
        """(n,) gain of each row as the first pick."""
        return self.merit

    def gains(self, rows: np.ndarray) -> np.ndarray:
        """What each of some rows would add now."""
        return np.asarray(self.merit[rows] - self.picks - self._towards(rows))

    def add(self, row: int) -> None:
        """Row is picked."""
        self.total += self.units[row]
        self.picks += 1

    def renewed(self) -> None:
        """Looking at one row is cheap enough."""

    def _towards(self, rows: np.ndarray) -> np.ndarray:
        """Sum of cosines to the picks; of many rows by one product in float32."""
        if 2 * len(rows) > len(self.units):
            return np.asarray((self.units @ self.total.astype(np.float32))[rows])
        return np.asarray(np.einsum("ij,j->i", self.units[rows], self.total))


class _Near:
    """The same where only neighbours are alike at all."""

    def __init__(self, graph: csr_array, weight: float) -> None:
        self.graph = graph
        self.merit = weight * np.asarray(graph.sum(axis=1)) - graph.diagonal()

    def first_gains(self) -> np.ndarray:
        """(n,) gain of each row as the first pick."""
        return self.merit.copy()

    def gains(self, rows: np.ndarray) -> np.ndarray:
        """What each of some rows would add now."""
        return np.asarray(self.merit[rows])

    def add(self, row: int) -> None:
        """Row is picked: its neighbours are worth less."""
        edge = slice(self.graph.indptr[row], self.graph.indptr[row + 1])
        self.merit[self.graph.indices[edge]] -= 2.0 * self.graph.data[edge]

    def renewed(self) -> None:
        """Looking at one row is cheap enough."""
