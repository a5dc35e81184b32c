"""Prototypes of a corpus, and how far from them each image is: its difficulty.

Sorscher et al. 2022 (arXiv 2206.14486): self-supervised prototypes are the centres of k-means in
the space of a self-supervised encoder; the distance to the nearest one is the difficulty, large is
hard. Supervised prototypes are class means (:mod:`selector.prune.class_means`). As in later code of
the same group (SemDeDup) vectors have length 1 and centres too (spherical k-means), and distance is
1 - cosine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from data_cards.counted import counted
from data_cards.errors import BadInputError
from selector.prune.grid import checked
from selector.prune.kmeans import Passes, Progress, Run, run_kmeans
from selector.prune.lloyd import Sums, assign_block, next_centres, partial_sums, reduce
from selector.prune.starts import Start
from selector.prune.streams import Rows, one_thread_each

__all__ = [
    "Prototypes",
    "Sums",
    "assign_block",
    "default_prototype_count",
    "fit_prototypes",
    "nearest_prototypes",
    "next_centres",
    "partial_sums",
    "reduce",
]

EQUAL = 1e-6
"""Distances that differ by no more differ by the rounding of unit vectors."""


@dataclass(frozen=True)
class Prototypes:
    """Prototypes and what lies at them.

    Attributes:
        centres: (k, d) float32, unit rows; every one has members.
        labels: (n,) ``int32`` prototype of each row; -1 for a row that is broken or left out.
        distance: (n,) float64 difficulty, 1 - cosine to that prototype, in [0, 2]; large is hard;
            NaN where there is no prototype. Equal rows have equal distances, to the bit.
        sizes: (k,) members.
        objective: Mean distance; lower is better.
        asked: Prototypes asked for.
        names: What prototype stands for which class, for class means.
        iterations: Of k-means.
        converged: It ended by itself.
        history: Mean distance before each iteration.
        moved: How often a prototype without members was put elsewhere.
        dropped: Prototypes that stayed without members and were left out.
        remarks: Sentences on what was not as asked for.
    """

    centres: np.ndarray
    labels: np.ndarray
    distance: np.ndarray
    sizes: np.ndarray
    objective: float
    asked: int
    names: tuple[int, ...] = ()
    iterations: int = 0
    converged: bool = True
    history: tuple[float, ...] = ()
    moved: int = 0
    dropped: int = 0
    remarks: tuple[str, ...] = field(default=())


def default_prototype_count(rows: int, classes: int | None = None) -> int:
    """How many prototypes: as many as classes, or else the square root of the rows.

    The paper takes 1,000 for ImageNet's 1,281,167 images in 1,000 classes (their root is 1,132) and
    finds the outcome insensitive within a factor of ten.

    Args:
        rows: Images that have an embedding.
        classes: Known classes, if any; a single one tells no more than none.

    Returns:
        A count from 1 to ``rows``.
    """
    known = classes if classes is not None and classes > 1 else None
    return max(1, min(rows, known or round(math.sqrt(rows))))


def fit_prototypes(
    matrix: np.ndarray,
    count: int | None = None,
    *,
    usable: np.ndarray | None = None,
    keys: np.ndarray | None = None,
    seed: int = 0,
    start: Start | np.ndarray | None = None,
    iterations: int = 100,
    tolerance: float | None = 1e-4,
    restarts: int = 1,
    threads: int | None = None,
    block_rows: int | None = None,
    over: Passes | None = None,
    on_progress: Progress | None = None,
) -> Prototypes:
    """Spherical k-means over a memory map, in bounded memory.

    The result is the same, to the bit, for any block size, number of threads and order of the rows.
    Each iteration reads the map once. A prototype without members is moved to the row of a sample
    that lies farthest from all others.

    Args:
        matrix: (n, d) float16 or float32 embeddings of any length but 0, array or memory map.
        count: k; more than there are distinct rows becomes as many. ``None``: see
            :func:`default_prototype_count`.
        usable: (n,) true where a row counts. Zero rows, NaN and infinity never do.
        keys: (n,) ``uint64``, one for each row, that say which rows are drawn for the start, such
            as hashes of ids. By default they are hashes of the content.
        seed: Of the start.
        start: ``"k-means++"``, ``"sample"`` (see :func:`selector.prune.starts.draw_start`), or
            (k, d) prototypes to start from.
        iterations: At most, from 1 up.
        tolerance: End when an iteration lowers the mean distance by no more than this share;
            ``None``: only when nothing changes any more.
        restarts: Starts tried; the lowest mean distance wins.
        threads: At work; default: one for each processor.
        block_rows: Rows read at a time by each; default: about 50 MB.
        over: Goes over the usable rows of ``matrix`` elsewhere; ``None``: by threads, here.
        on_progress: Called with ``("k-means", iteration, iterations)``.

    Returns:
        The prototypes.

    Raises:
        BadInputError: An argument is outside its range, or no row has an embedding.
    """
    given = start if isinstance(start, np.ndarray) else None
    check_rows(matrix, count, iterations, restarts, usable, given)
    if over is None:
        over = Rows(matrix, usable, threads, block_rows)
    with one_thread_each():
        asked = count or (len(given) if given is not None else 0)
        if not asked:
            whole = len(matrix) if usable is None else int(np.count_nonzero(usable))
            asked = default_prototype_count(whole)
        best = run_kmeans(
            over,
            asked,
            keys=keys,
            seed=seed,
            start=start if given is None else _unit(given),
            iterations=iterations,
            tolerance=tolerance,
            restarts=restarts,
            on_progress=on_progress,
        )
        labels, distance = over.nearest(best.centres)
    return result_of(best, labels, distance, asked)


def nearest_prototypes(
    matrix: np.ndarray,
    centres: np.ndarray,
    *,
    usable: np.ndarray | None = None,
    threads: int | None = None,
    block_rows: int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Hold other rows against prototypes that are there already.

    Args:
        matrix: (n, d) embeddings.
        centres: (k, d) prototypes.
        usable: (n,) true where a row counts.
        threads: At work.
        block_rows: Rows read at a time by each.

    Returns:
        (n,) ``int32`` nearest prototype, -1 for a broken row; (n,) float64 difficulty in [0, 2],
        NaN for a broken row.

    Raises:
        BadInputError: The shapes do not fit.
    """
    check_rows(matrix, None, 1, 1, usable, centres)
    with one_thread_each():
        return Rows(matrix, usable, threads, block_rows).nearest(_unit(centres))


def result_of(run: Run, labels: np.ndarray, distance: np.ndarray, asked: int) -> Prototypes:
    """Leave prototypes without members out, and say what was not as asked for.

    Args:
        run: Where k-means ended.
        labels: (n,) nearest of its prototypes, -1 for none.
        distance: (n,) distance to it.
        asked: Prototypes asked for.
    """
    sizes = np.bincount(labels[labels >= 0], minlength=len(run.centres))
    held = np.flatnonzero(sizes)
    lookup = np.full(len(run.centres) + 1, -1, dtype=np.int32)
    lookup[held] = np.arange(len(held))
    remarks = []
    if len(run.centres) < asked:
        there = counted(len(run.centres), "distinct picture")
        remarks.append(
            f"There {'is' if len(run.centres) == 1 else 'are'} {there} for "
            f"{counted(asked, 'prototype')}: each is its own, and a ranking by distance "
            "means nothing. Set fewer with --prototypes."
        )
    else:
        remarks += _say_lonely(sizes[held])
    remarks += say_equal(distance)
    if run.moved:
        remarks.append(f"A prototype without members was moved {counted(run.moved, 'time')}.")
    dropped = len(run.centres) - len(held)
    if dropped:
        stayed = counted(dropped, "prototype")
        remarks.append(f"Left out, as they stayed without members: {stayed}.")
    if not run.converged:
        remarks.append(f"k-means was ended after {counted(len(run.history), 'iteration')}.")
    return Prototypes(
        centres=run.centres[held],
        labels=lookup[labels],
        distance=distance,
        sizes=sizes[held],
        objective=mean_distance(distance),
        asked=asked,
        iterations=len(run.history),
        converged=run.converged,
        history=run.history,
        moved=run.moved,
        dropped=dropped,
        remarks=(*remarks, *say_broken(labels)),
    )


def check_rows(
    matrix: np.ndarray,
    count: int | None,
    iterations: int,
    restarts: int,
    usable: np.ndarray | None,
    centres: np.ndarray | None,
) -> None:
    dim = checked(matrix).shape[1]
    if (count is not None and count < 1) or iterations < 1 or restarts < 1:
        raise BadInputError(
            f"{count} prototypes, {iterations} iterations, {restarts} starts",
            "Ask for one or more of each.",
        )
    if usable is not None and (usable.shape != (len(matrix),) or usable.dtype != bool):
        raise BadInputError(
            f"a mask of shape {usable.shape} for {len(matrix):,} rows", "Give one bool per row."
        )
    if centres is not None:
        if centres.ndim != 2 or centres.shape[1] != dim or (count or len(centres)) != len(centres):
            raise BadInputError(
                f"prototypes of shape {centres.shape} for rows of {dim} dimensions",
                "Give one row for each prototype.",
            )
        if not (np.isfinite(centres).all() and centres.any(axis=1).all() and len(centres)):
            raise BadInputError("a prototype is zero or not finite", "Give directions.")


def _unit(centres: np.ndarray) -> np.ndarray:
    exact = centres.astype(np.float64)
    return (exact / np.sqrt(np.einsum("ij,ij->i", exact, exact))[:, None]).astype(np.float32)


def mean_distance(distance: np.ndarray) -> float:
    """Mean of what is not NaN, summed exactly: no order of the rows changes it."""
    known = distance[~np.isnan(distance)]
    return math.fsum(known) / max(1, len(known))


def _say_lonely(sizes: np.ndarray) -> list[str]:
    """Prototypes that are one picture say nothing of how unlike the others it is."""
    alone = int((sizes == 1).sum())
    if 2 * alone <= len(sizes):
        return []
    return [
        f"{alone:,} of {counted(len(sizes), 'prototype')} {'holds' if alone == 1 else 'hold'} one "
        "picture, which so lies at a distance of 0 and counts as easy. Set fewer with --prototypes."
    ]


def say_equal(distance: np.ndarray) -> list[str]:
    """Distances that rank nothing are said to do so."""
    known = distance[~np.isnan(distance)]
    if len(known) < 2 or np.ptp(known) > EQUAL:
        return []
    what = "a hash of content and id" if np.ptp(known) == 0 else "rounding errors"
    return [f"All distances are {known.mean():.3f}: the order is that of {what} and ranks nothing."]


def say_broken(labels: np.ndarray, why: str = "not read") -> list[str]:
    without = int((labels < 0).sum())
    if not without:
        return []
    have = "has" if without == 1 else "have"
    return [
        f"{counted(without, 'picture')} {have} no distance, and so can neither stay nor go: {why}."
    ]
