"""One iteration of spherical k-means in parts: assign, sum, put together, move.

Every part gives the same bits for any division of the rows into blocks, threads or machines:

- a row goes to the prototype with the largest cosine. The cosines are a float32 matrix product,
  whose last bits depend on the shape of the block. Whatever order it adds in, it is off by less
  than (d + 1) 2^-24 (Higham, Accuracy and Stability of Numerical Algorithms, 2002, chapter 3).
  Prototypes closer than twice that are compared again, one pair of vectors at a time, in float64;
- sums are of whole numbers (:mod:`selector.prune.grid`): exact in float64 up to 2^53, carried on in
  ``int64`` up to 2^40 rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.sparse import csr_array

from selector.prune.grid import GRID, block_size, blocks, unit_grid

_PAIRS = 4096
_ROWS_IN_FLOAT64 = 2**29
"""So many rows of the grid sum to less than 2^53."""


@dataclass(frozen=True)
class Sums:
    """What a part of the rows adds to each prototype.

    Attributes:
        sums: (k, d) ``int64``, sums of grid rows.
        counts: (k,) ``int64``, members.
    """

    sums: np.ndarray
    counts: np.ndarray

    @property
    def rows(self) -> int:
        """Rows that were assigned."""
        return int(self.counts.sum())

    def mean_cosine(self, centres: np.ndarray) -> float:
        """Mean cosine of all members to the prototype that they are assigned to, in [-1, 1].

        Args:
            centres: (k, d) unit rows.
        """
        products = self.sums.astype(np.float64) * centres
        return float(products.sum() / (GRID * max(1, self.rows)))


def reduce(parts: Iterable[Sums]) -> Sums:
    """Add up the sums of parts; exact, so that their order and number do not matter.

    Args:
        parts: One or more, all of the same prototypes.
    """
    first, *others = parts
    sums, counts = first.sums.copy(), first.counts.copy()
    for part in others:
        sums += part.sums
        counts += part.counts
    return Sums(sums, counts)


class Cosines(Protocol):
    """Cosines of rows with fixed prototypes, in float32, wherever they are computed."""

    def __call__(self, rows: np.ndarray, tie: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of (m, d) rows on the grid, what is the largest.

        Returns:
            (m,) int64 prototype with the largest cosine; (c,) rows where others are less than
            ``tie`` below it; (c, k) true for those and for the largest.
        """


class Assigner:
    """Assigns blocks of rows to fixed prototypes; one for each thread: it keeps its buffers.

    Args:
        centres: (k, d) float32 unit rows.
        block_rows: Rows that a block may have; by default as memory bears.
        cosines: Makes what computes cosines elsewhere; ``None``: here. Labels are the same.
    """

    def __init__(
        self,
        centres: np.ndarray,
        block_rows: int | None = None,
        cosines: Callable[[np.ndarray], Cosines] | None = None,
    ) -> None:
        count, dim = centres.shape
        self.block_rows = block_rows or block_size(dim, count)
        self.centres = np.ascontiguousarray(centres, dtype=np.float32)
        self.exact = self.centres.astype(np.float64)
        self.lengths = np.sqrt(np.einsum("ij,ij->i", self.exact, self.exact))
        self._rows = np.empty((self.block_rows, dim), dtype=np.float32)
        self._there = None if cosines is None else cosines(self.centres)
        held = self.block_rows if self._there is None else 0
        self._cosines = np.empty((held, count), dtype=np.float32)
        self._tie = np.float32(2 * (dim + 4) * 2.0**-24 * GRID)

    def __call__(
        self, block: np.ndarray, scales: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Assign a block.

        Args:
            block: (m, d) embeddings, m at most ``block_rows``.
            scales: (m,) as for :func:`selector.prune.grid.unit_grid`.

        Returns:
            (m,) int64 prototype of each row, the earlier one in an exact tie, -1 for a broken row;
            (m, d) float32 rows on the grid, valid until the next call; (m,) true where not broken.
        """
        size = len(block)
        rows, present = unit_grid(block, self._rows[:size], scales)
        labels = self._labels(rows, present)
        labels[~present] = -1
        return labels, rows, present

    def _labels(self, rows: np.ndarray, present: np.ndarray) -> np.ndarray:
        """(m,) of rows on the grid; anything for those that are not present."""
        if self._there is not None:
            labels, close, near = self._there(rows, float(self._tie))
            wanted = present[close]
            if wanted.any():
                labels[close[wanted]] = self._settle(rows[close[wanted]], near[wanted])
            return labels
        size = len(rows)
        cosines = self._cosines[:size]
        np.matmul(rows, self.centres.T, out=cosines)
        labels = cosines.argmax(axis=1)
        if len(self.centres) > 1:
            at = np.arange(size)
            top = cosines[at, labels]
            cosines[at, labels] = -np.inf
            close = np.flatnonzero((cosines.max(axis=1) >= top - self._tie) & present)
            if len(close):
                cosines[close, labels[close]] = top[close]
                floor = (top[close] - self._tie)[:, None]
                labels[close] = self._settle(rows[close], cosines[close] >= floor)
        return labels

    def _settle(self, rows: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        """The best of few candidates for each row, each pair computed by itself."""
        row, centre = np.nonzero(candidates)
        cosine = np.empty(len(row))
        for part in blocks(len(row), _PAIRS):
            pairs = rows[row[part]].astype(np.float64), self.exact[centre[part]]
            cosine[part] = np.einsum("ij,ij->i", *pairs) / self.lengths[centre[part]]
        starts = np.flatnonzero(np.diff(row, prepend=-1))
        best = np.maximum.reduceat(cosine, starts)
        winners = np.flatnonzero(cosine == best[row])
        return centre[winners[np.diff(row[winners], prepend=-1) > 0]]


def assign_block(block: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The nearest prototype of each row, by the largest cosine.

    Args:
        block: (m, d) embeddings of any size; read in blocks.
        centres: (k, d) float32 unit rows.

    Returns:
        (m,) ``int32``; -1 for a broken row (zero, NaN, infinity).
    """
    assign = Assigner(centres)
    labels = np.empty(len(block), dtype=np.int32)
    for part in blocks(len(block), assign.block_rows):
        labels[part] = assign(block[part])[0]
    return labels


class Adder:
    """Collects rows on the grid under their labels; one for each thread.

    Args:
        count: Prototypes, k.
        dim: d.
    """

    def __init__(self, count: int, dim: int) -> None:
        self._sums = np.zeros((count, dim), dtype=np.int64)
        self._counts = np.zeros(count, dtype=np.int64)
        self._float = np.zeros((count, dim))
        self._rows = 0

    def add(self, rows: np.ndarray, labels: np.ndarray) -> None:
        """Add rows (m, d) on the grid under labels (m,) from 0 to k - 1; -1 counts for nothing."""
        self._add(rows, labels, 1)

    def move(self, rows: np.ndarray, before: np.ndarray, labels: np.ndarray) -> None:
        """Add rows under their labels and take them from those of before, where these differ.

        What has been added then is the change.
        """
        moved = np.flatnonzero(labels != before)
        if len(moved):
            self._add(rows[moved], before[moved], -1)
            self._add(rows[moved], labels[moved], 1)

    def _add(self, rows: np.ndarray, labels: np.ndarray, sign: int) -> None:
        used = labels >= 0
        if not used.all():
            rows, labels = rows[used], labels[used]
        if not len(rows):
            return
        order = np.argsort(labels, kind="stable")
        counts = np.bincount(labels, minlength=len(self._counts))
        ends = np.concatenate([[0], np.cumsum(counts)])
        weights = np.full(len(rows), float(sign))
        members = csr_array((weights, order, ends), shape=(len(counts), len(rows)))
        if self._rows + len(rows) > _ROWS_IN_FLOAT64:
            self._carry()
        self._float += members @ rows
        self._counts += sign * counts
        self._rows += len(rows)

    def total(self) -> Sums:
        """What has been added so far."""
        self._carry()
        return Sums(self._sums.copy(), self._counts.copy())

    def _carry(self) -> None:
        self._sums += self._float.astype(np.int64)
        self._float[...] = 0.0
        self._rows = 0


def partial_sums(part: np.ndarray, centres: np.ndarray) -> Sums:
    """Assign one partition of the rows and sum it: what a worker does in an iteration.

    Args:
        part: (m, d) embeddings of any size; read in blocks.
        centres: (k, d) float32 unit rows.

    Returns:
        Its sums; :func:`reduce` of those of all partitions is the same for any partition.
    """
    assign, adder = Assigner(centres), Adder(*centres.shape)
    for block in blocks(len(part), assign.block_rows):
        labels, rows, _ = assign(part[block])
        adder.add(rows, labels)
    return adder.total()


def next_centres(sums: Sums, centres: np.ndarray) -> np.ndarray:
    """Mean directions of the members.

    Args:
        sums: Of all rows.
        centres: (k, d) float32, where the prototypes are now: one without members, or whose members
            cancel out, stays.

    Returns:
        (k, d) float32 unit rows.
    """
    exact = sums.sums.astype(np.float64)
    length = np.sqrt(np.einsum("ij,ij->i", exact, exact))
    moved = centres.astype(np.float32)
    able = length > 0
    moved[able] = exact[able] / length[able, None]
    return moved


def cosine_distance(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """1 - cosine of rows and prototypes side by side, each pair computed by itself.

    Args:
        rows: (m, d) not zero, of any length.
        centres: (m, d) likewise.

    Returns:
        (m,) float64 in [0, 2].
    """
    rows, centres = rows.astype(np.float64), centres.astype(np.float64)
    inner, of_rows, of_centres = (
        np.einsum("ij,ij->i", a, b) for a, b in ((rows, centres), (rows, rows), (centres, centres))
    )
    return np.clip(1.0 - inner / np.sqrt(of_rows * of_centres), 0.0, 2.0)
