"""Passes over all rows of a memory map: blocks shared out among threads, in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from selector.prune.grid import block_size, blocks, checked, row_scales, unit_grid
from selector.prune.lloyd import Adder, Assigner, Cosines, Sums, cosine_distance, reduce
from selector.prune.starts import Sample, merge_samples, sample_block

Made = TypeVar("Made")


@dataclass
class _Known:
    """What one pass found out that spares the next some work; no result depends on it.

    Attributes:
        scales: (n,) of :func:`selector.prune.grid.row_scales`.
        labels: (n,) of the last assignment.
        sums: Of that assignment.
    """

    scales: np.ndarray | None = None
    labels: np.ndarray | None = None
    sums: Sums | None = None


@dataclass(frozen=True)
class Rows:
    """The rows that a pass goes over, and how.

    Attributes:
        matrix: (n, d) float16 or float32, array or memory map.
        usable: (n,) true where a row counts; ``None``: all do. Broken rows never do.
        threads: At work; each holds one block.
        block_rows: Rows of a block; ``None``: as memory bears.
        cosines: Makes what computes cosines elsewhere, on a GPU say; ``None``: here. None of these
            three changes a result.
    """

    matrix: np.ndarray
    usable: np.ndarray | None = None
    threads: int | None = None
    block_rows: int | None = None
    cosines: Callable[[np.ndarray], Cosines] | None = None
    _known: _Known = field(default_factory=lambda: _Known(), init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        checked(self.matrix)

    def __len__(self) -> int:
        return len(self.matrix)

    def sums(self, centres: np.ndarray) -> Sums:
        """Assign every row to the nearest prototype and sum: one iteration's work.

        After the first time only rows that changed their prototype are added and taken away: sums
        are exact, so that it comes to the same.
        """
        scales, known = self.scales(), self._known
        old, before = known.sums, known.labels
        if old is not None and old.sums.shape != centres.shape:
            old = before = None
        labels = np.empty(len(self), dtype=np.int32)

        def work(parts: Iterator[slice]) -> Sums:
            assign, adder = Assigner(centres, size, self.cosines), Adder(*centres.shape)
            for part in parts:
                found, rows, _ = assign(self.matrix[part], scales[part])
                labels[part] = self._counted(found, part)
                if before is None:
                    adder.add(rows, labels[part])
                else:
                    adder.move(rows, before[part], labels[part])
            return adder.total()

        size = self._size(len(centres))
        changed = self._share(work, size)
        made = reduce(changed if old is None else [old, *changed])
        known.labels, known.sums = labels, made
        return made

    def scales(self) -> np.ndarray:
        """(n,) what each row is multiplied by to lie on the grid; looked for once."""
        if self._known.scales is None:
            scales = np.empty(len(self), dtype=np.float32)

            def work(parts: Iterator[slice]) -> None:
                for part in parts:
                    scales[part] = row_scales(self.matrix[part])

            self._share(work, self._size(0))
            self._known.scales = scales
        return self._known.scales

    def with_scales(self, scales: np.ndarray) -> Rows:
        """The same rows, their :meth:`scales` known from before."""
        self._known.scales = scales
        return self

    def class_sums(self, classes: np.ndarray, count: int) -> Sums:
        """Sum the rows of each class; ``classes`` (n,) from 0 up, -1 for none."""
        scales = self.scales()

        def work(parts: Iterator[slice]) -> Sums:
            adder = Adder(count, self.matrix.shape[1])
            for part in parts:
                rows, present = unit_grid(self.matrix[part], None, scales[part])
                adder.add(rows, self._counted(np.where(present, classes[part], -1), part))
            return adder.total()

        return reduce(self._share(work, self._size(0)))

    def nearest(self, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Nearest prototype of each row (n,) ``int32``, -1 for none; its distance (n,), or NaN."""
        labels = np.full(len(self), -1, dtype=np.int32)
        distance = np.full(len(self), np.nan)
        scales = self.scales()

        def work(parts: Iterator[slice]) -> None:
            assign = Assigner(centres, size, self.cosines)
            for part in parts:
                found, rows, _ = assign(self.matrix[part], scales[part])
                labels[part] = self._counted(found, part)
                distance[part] = _beside(rows, assign.exact, labels[part])

        size = self._size(len(centres))
        self._share(work, size)
        return labels, distance

    def distance(self, centres: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Cosine distance (n,) of each row to the prototype ``labels`` names; NaN for -1."""
        distance = np.full(len(self), np.nan)
        scales = self.scales()
        exact = centres.astype(np.float64)

        def work(parts: Iterator[slice]) -> None:
            for part in parts:
                rows, present = unit_grid(self.matrix[part], None, scales[part])
                named = np.where(present, labels[part], -1)
                distance[part] = _beside(rows, exact, self._counted(named, part))

        self._share(work, self._size(0))
        return distance

    def sample(self, count: int, seed: int, keys: np.ndarray | None = None) -> Sample:
        """``count`` distinct rows, or all; see :mod:`selector.prune.starts`."""

        def work(parts: Iterator[slice]) -> Sample | None:
            sample = None
            for part in parts:
                block = self.matrix[part]
                given = None if keys is None else keys[part]
                if self.usable is not None:
                    block = block[self.usable[part]]
                    given = None if given is None else given[self.usable[part]]
                full = sample is not None and len(sample.keys) == count
                below = int(sample.keys[-1]) if sample is not None and full else None
                more = sample_block(block, count, seed, keys=given, below=below)
                sample = more if sample is None else merge_samples([sample, more], count)
            return sample

        made = self._share(work, self._size(0))
        return merge_samples([one for one in made if one is not None], count)

    def _counted(self, labels: np.ndarray, part: slice) -> np.ndarray:
        return labels if self.usable is None else np.where(self.usable[part], labels, -1)

    def _size(self, prototypes: int) -> int:
        return self.block_rows or block_size(self.matrix.shape[1], prototypes)

    def _share(self, work: Callable[[Iterator[slice]], Made], size: int) -> list[Made]:
        """Let each thread take blocks until none is left."""
        parts = iter(list(blocks(len(self), size)))  # next() of a list's iterator is atomic
        threads = self.threads or _processors()
        threads = max(1, min(threads, -(-len(self) // size)))
        if threads == 1:
            return [work(parts)]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(work, [parts] * threads))


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _beside(rows: np.ndarray, centres: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Distance of each row to its own prototype; NaN where it has none."""
    distance = np.full(len(rows), np.nan)
    has = np.flatnonzero(labels >= 0)
    distance[has] = cosine_distance(rows[has], centres[labels[has]])
    return distance


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Keep matrix products in the thread that asks for them: the threads are ours."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield
