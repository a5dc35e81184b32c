"""Spherical k-means over anything that can sum its rows: threads here, or machines elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np

from data_cards.errors import BadInputError
from selector.prune.lloyd import Sums, next_centres
from selector.prune.starts import (
    Sample,
    Start,
    draw_start,
    move_empty,
    sample_size,
    without_repeats,
)

Progress = Callable[[str, int, int | None], None]


class Passes(Protocol):
    """Rows that can be gone over.

    :class:`selector.prune.streams.Rows` does it with threads,
    :class:`selector.prune.cluster_rows.ClusterRows` with other machines.
    """

    def __len__(self) -> int:
        """Rows, broken ones too."""

    def sums(self, centres: np.ndarray) -> Sums:
        """Assign every row to the nearest of (k, d) prototypes, and sum."""

    def sample(self, count: int, seed: int, keys: np.ndarray | None = None) -> Sample:
        """The ``count`` distinct rows with the smallest keys."""

    def nearest(self, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Nearest prototype of each row (n,) ``int32``, -1 for none; its distance (n,), or NaN."""


@dataclass(frozen=True)
class Run:
    """What k-means came to.

    Attributes:
        centres: (k, d) float32 unit rows; some may have no members.
        history: Mean distance before each iteration.
        converged: It ended by itself.
        moved: How often a prototype without members was put elsewhere.
    """

    centres: np.ndarray
    history: tuple[float, ...]
    converged: bool
    moved: int


def run_kmeans(
    over: Passes,
    asked: int,
    *,
    keys: np.ndarray | None = None,
    seed: int = 0,
    start: Start | np.ndarray | None = None,
    iterations: int = 100,
    tolerance: float | None = 1e-4,
    restarts: int = 1,
    on_progress: Progress | None = None,
) -> Run:
    """Start, iterate, and keep the best of several starts.

    Args:
        over: The rows.
        asked: k; fewer come out where there are fewer distinct rows.
        keys: As in :func:`selector.prune.prototypes.fit_prototypes`, as everything else.
        seed: Of the start.
        start: How, or (k, d) float32 unit rows.
        iterations: At most.
        tolerance: Least share that an iteration must lower the mean distance by.
        restarts: Starts tried; one where prototypes are given.
        on_progress: Called with ``("k-means", iteration, iterations)``.

    Raises:
        BadInputError: The keys do not fit, or no row has an embedding.
    """
    sample = lru_cache(maxsize=1)(lambda: start_sample(over, asked, seed, keys))
    best: Run | None = None
    for number in range(1 if isinstance(start, np.ndarray) else restarts):
        if isinstance(start, np.ndarray):
            centres = start
        else:
            rng = np.random.default_rng([seed, number])
            centres = draw_start(sample(), min(asked, len(sample().keys)), start, rng)
        run = iterate(over, centres, sample, iterations, tolerance, on_progress)
        if best is None or run.history[-1] < best.history[-1]:
            best = run
    assert best is not None
    return best


def iterate(
    over: Passes,
    centres: np.ndarray,
    sample: Callable[[], Sample],
    iterations: int,
    tolerance: float | None,
    on_progress: Progress | None,
) -> Run:
    """Iterate from given prototypes.

    Args:
        over: The rows.
        centres: (k, d) float32 unit rows to start from.
        sample: Gives the rows that prototypes without members move to; asked when there are some.
        iterations: At most.
        tolerance: Least share that an iteration must lower the mean distance by; ``None``: any.
        on_progress: Called with ``("k-means", iteration, iterations)``.

    Raises:
        BadInputError: No row has an embedding.
    """
    history: list[float] = []
    before: Sums | None = None
    moved, converged = 0, False
    for number in range(iterations):
        sums = over.sums(centres)
        if before is None and not sums.rows:
            raise BadInputError("no row has an embedding", "Check the embeddings and the mask.")
        history.append(1.0 - sums.mean_cosine(centres))
        if before is not None and np.array_equal(sums.sums, before.sums):
            converged = np.array_equal(sums.counts, before.counts)
        before = sums
        centres = next_centres(sums, centres)
        empty = np.flatnonzero(sums.counts == 0)
        new = np.zeros(0, dtype=np.int64)
        if len(empty):
            centres, new = move_empty(centres, empty, sample())
            moved += len(new)
            converged = converged and not len(new)
        if number and not len(new) and tolerance is not None:
            converged |= history[-2] - history[-1] <= tolerance * abs(history[-2])
        if on_progress is not None:
            on_progress("k-means", number + 1, iterations)
        if converged:
            break
    return Run(centres, tuple(history), converged, moved)


def start_sample(over: Passes, count: int, seed: int, keys: np.ndarray | None) -> Sample:
    """Distinct rows to start from; with given keys too, unless they hide the distinct ones.

    Args:
        over: The rows.
        count: Prototypes that will be drawn.
        seed: Of the keys.
        keys: (n,) ``uint64``, or ``None``: made of the content.

    Raises:
        BadInputError: The keys do not fit, or no row has an embedding.
    """
    size = sample_size(count)
    if keys is not None:
        if keys.shape != (len(over),) or keys.dtype != np.uint64:
            raise BadInputError("keys do not fit the rows", "Give one uint64 for each row.")
        sample = without_repeats(over.sample(size, seed, keys), seed)
        if len(sample.keys) >= count:
            return sample
    sample = over.sample(size, seed)
    if not len(sample.keys):
        raise BadInputError("no row has an embedding", "Check the embeddings and the mask.")
    return sample
