"""Supervised prototypes: the mean direction of each class."""

from __future__ import annotations

import numpy as np

from data_cards.counted import counted
from data_cards.errors import BadInputError
from selector.prune.lloyd import next_centres
from selector.prune.prototypes import Prototypes, check_rows, mean_distance, say_broken, say_equal
from selector.prune.streams import Rows, one_thread_each


def class_means(
    matrix: np.ndarray,
    classes: np.ndarray,
    *,
    usable: np.ndarray | None = None,
    threads: int | None = None,
    block_rows: int | None = None,
) -> Prototypes:
    """Supervised prototypes: the mean direction of each class.

    Args:
        matrix: (n, d) float16 or float32 embeddings.
        classes: (n,) whole numbers; negative: the class is not known, and the row has no prototype.
        usable: (n,) true where a row counts.
        threads: At work; default: one for each processor.
        block_rows: Rows read at a time by each.

    Returns:
        One prototype for each class that has a usable row, in the order of their numbers, which are
        in ``names``; distances are to the row's own class.

    Raises:
        BadInputError: The shapes do not fit, or no row has both a class and an embedding.
    """
    check_rows(matrix, None, 1, 1, usable, None)
    given = np.asarray(classes)
    if given.shape != (len(matrix),) or given.dtype.kind not in "iu":
        raise BadInputError(
            f"classes of shape {given.shape} and type {given.dtype}",
            "Give one whole number for each row.",
        )
    names, numbers = np.unique(given, return_inverse=True)
    skipped = int((names < 0).sum())
    names, numbers = names[skipped:], np.maximum(numbers - skipped, -1)
    over = Rows(matrix, usable, threads, block_rows)
    with one_thread_each():
        sums = over.class_sums(numbers, len(names))
        held = np.flatnonzero(sums.counts)
        if not len(held):
            raise BadInputError("no row has both a class and an embedding", "Check both.")
        lookup = np.full(len(names) + 1, -1, dtype=np.int32)
        lookup[held] = np.arange(len(held))
        zero = np.zeros((len(names), matrix.shape[1]), dtype=np.float32)
        centres = next_centres(sums, zero)[held]
        without = np.flatnonzero(~centres.any(axis=1))
        labels = lookup[numbers]
        placed = np.where(np.isin(labels, without), -1, labels)
        distance = over.distance(centres, placed)
    labels = np.where(np.isnan(distance) & ~np.isin(labels, without), -1, labels)
    remarks = [f"The members of class {names[held[c]]} cancel out: no mean." for c in without]
    if len(held) < len(names):
        empty = len(names) - len(held)
        have = "has" if empty == 1 else "have"
        remarks.append(f"{counted(empty, 'class', 'classes')} {have} no usable picture.")
    remarks += say_equal(distance)
    return Prototypes(
        centres=centres,
        labels=labels,
        distance=distance,
        sizes=sums.counts[held],
        objective=mean_distance(distance),
        asked=len(names),
        names=tuple(int(name) for name in names[held]),
        dropped=len(names) - len(held),
        remarks=(*remarks, *say_broken(labels, "not read, or without a class")),
    )
