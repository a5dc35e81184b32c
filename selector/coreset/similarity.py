"""Similarities of rows, never all at once: columns, blocks, or the nearest neighbours alone."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field
from scipy.sparse import csr_array, diags_array
from sklearn.neighbors import NearestNeighbors

Neighbours = Annotated[
    int,
    Field(
        ge=0,
        description="take two rows as alike only where one is among the so many rows most like the "
        "other; 0, or as many as there are rows: all likenesses count",
    ),
]


class Cosine:
    """Similarity (1 + cos) / 2 in [0, 1] between rows.

    Args:
        rows: (n, d) float32 of any length; a zero row has similarity 1/2 with all, itself too.
    """

    def __init__(self, rows: np.ndarray) -> None:
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        self.units = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)

    def __len__(self) -> int:
        return len(self.units)

    def columns(self, places: np.ndarray) -> np.ndarray:
        """(n, m) similarities of all rows to ``places``."""
        made = self.units @ self.units[places].T
        made += 1.0
        made *= 0.5
        return np.asarray(made)

    def halves(self, places: np.ndarray, rows: np.ndarray | slice) -> np.ndarray:
        """(m, k) cos / 2 of ``places`` to some rows."""
        return np.asarray((self.units[places] * np.float32(0.5)) @ self.units[rows].T)

    def graph(self, count: int) -> csr_array:
        """(n, n) sparse similarities: of each row to itself, and where either is a neighbour.

        Args:
            count: Nearest other rows of each.
        """
        zero = ~self.units.any(axis=1)
        if zero.any():
            places, near = self._beside_zero(zero, count)
        else:
            places, distance = nearest_neighbours(self.units, count)
            near = np.maximum(1.0 - distance**2 / 4.0, 1e-12)  # of unit rows; an edge is never 0
        own = diags_array(np.where(zero, 0.5, 1.0), format="csr")
        return csr_array(symmetric_graph(places, near) + own)

    def _beside_zero(self, zero: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Nearest others and their similarities, where a zero row is 1/2 like everything."""
        count = min(count, len(self) - 1)
        rows, none = np.flatnonzero(~zero), np.flatnonzero(zero)
        places = np.empty((len(self), count), dtype=np.int64)
        near = np.full((len(self), count), 0.5)
        for row in none:  # the first others: all are as near
            first = np.arange(count + 1)
            places[row] = first[first != row][:count]
        if len(rows):
            found, distance = nearest_neighbours(self.units[rows], count)
            alike = np.maximum(1.0 - distance**2 / 4.0, 1e-12)
            also = np.broadcast_to(none[:count], (len(rows), len(none[:count])))
            every = np.concatenate([rows[found], also], axis=1)
            values = np.concatenate([alike, np.full(also.shape, 0.5)], axis=1)
            best = np.lexsort((every, -values), axis=1)[:, :count]
            places[rows] = np.take_along_axis(every, best, axis=1)
            near[rows] = np.take_along_axis(values, best, axis=1)
        return places, near

    def sums(self) -> np.ndarray:
        """(n,) float64 sum of each row's similarities to all rows; no matrix is made for it."""
        total = self.units.sum(axis=0, dtype=np.float64)
        return np.asarray((len(self) + self.units @ total) / 2.0)


def nearest_neighbours(rows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest other rows by Euclidean distance.

    Args:
        rows: (n, d) float32.
        count: Neighbours of each, fewer where there are not so many rows.

    Returns:
        (n, m) positions, nearest first, and (n, m) float64 distances; equally near ones in the
        order of their positions.
    """
    count = min(count, len(rows) - 1)
    if count < 1:
        return np.empty((len(rows), 0), dtype=np.int64), np.empty((len(rows), 0))
    known = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(rows)
    distance, places = known.kneighbors()
    order = np.lexsort((places, distance), axis=1)
    return (
        np.take_along_axis(places, order, axis=1),
        np.take_along_axis(distance, order, axis=1).astype(np.float64),
    )


def symmetric_graph(places: np.ndarray, values: np.ndarray) -> csr_array:
    """Neighbours as a sparse symmetric matrix: an edge stands where either row names the other.

    Args:
        places: (n, m) positions of neighbours.
        values: (n, m) of each edge, the same from both ends.
    """
    rows, count = places.shape
    starts = np.repeat(np.arange(rows), count)
    one = csr_array((values.ravel(), (starts, places.ravel())), shape=(rows, rows))
    other = one.T.tocsr()
    return csr_array(one.maximum(other))
