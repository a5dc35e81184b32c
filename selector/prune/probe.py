"""Cheap probes: how well a small model on frozen embeddings does that sees the kept rows alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np

from data_cards.errors import BadInputError
from selector.order import canonical_order
from selector.vectors import unit_rows

Probe = Literal["linear", "knn"]
Predict = Callable[[np.ndarray], np.ndarray]
_RIDGE = 1e-2
"""Weight of the penalty beside a mean squared norm of 1 for the rows."""
_NEIGHBOURS = 5
_BLOCK = 2_048


def accuracy(
    matrix: np.ndarray,
    classes: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    *,
    probe: Probe = "linear",
) -> float:
    """Accuracy on ``test`` of a probe that has seen ``train``.

    Args:
        matrix: (n, d) embeddings of any length but 0, array or memory map.
        classes: (n,) whole numbers; all rows named must have one (0 or more) and an embedding.
        train: (m,) positions; their order changes nothing.
        test: (t,) positions, none of them in ``train``.
        probe: ``"linear"``: least squares on one column per class with a small penalty and an
            intercept, each class weighing what its rows weigh. ``"knn"``: the vote of the five
            rows with the highest cosines, each with its cosine as weight.

    Returns:
        Share of test rows that are right, in [0, 1]; higher is better.

    Raises:
        BadInputError: There is nothing to train on or to test on.
    """
    if probe not in get_args(Probe):
        raise BadInputError(f"unknown probe {probe!r}", f"One of: {', '.join(get_args(Probe))}.")
    if not len(train) or not len(test):
        raise BadInputError(
            f"{len(train)} rows to train on and {len(test)} to test on", "Keep more, or test more."
        )
    train = np.sort(train)
    names, coded = np.unique(classes[train], return_inverse=True)
    fit = _linear if probe == "linear" else _neighbours
    predict = fit(matrix, train, coded, len(names))
    right = 0
    for start in range(0, len(test), _BLOCK):
        rows = test[start : start + _BLOCK]
        vectors, _ = unit_rows(matrix, rows)
        right += int((names[predict(vectors)] == classes[rows]).sum())
    return right / len(test)


def split_rows(
    ids: np.ndarray,
    classes: np.ndarray,
    usable: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    test_share: float = 0.2,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Divide usable rows with a class into some to train on and some to test on.

    Args:
        ids: (n,) distinct ids.
        classes: (n,) whole numbers; negative: none, and the row is in neither part.
        usable: (n,) true where there is an embedding.
        groups: (n,) whole numbers; rows of a group (the frames of an animation, copies of a
            picture) stay together. ``None``: each row is its own.
        test_share: Share of the rows of each class that is tested on, about; with groups of the
            groups.
        seed: Of the division.

    Returns:
        Positions to train on and to test on, each in an order that the rows' own does not change.
    """
    order = canonical_order(ids, seed, purpose="split")
    order = order[usable[order] & (classes[order] >= 0)]
    if groups is None:
        ranked = order[np.argsort(classes[order], kind="stable")]
        starts = np.r_[True, np.diff(classes[ranked]) != 0]
        first = np.flatnonzero(starts)[np.cumsum(starts) - 1]
        sizes = np.diff(np.r_[np.flatnonzero(starts), len(ranked)])[np.cumsum(starts) - 1]
        place = np.arange(len(ranked)) - first
        tested = np.zeros(len(classes), dtype=bool)
        tested[ranked[place < np.floor(test_share * sizes)]] = True
    else:
        _, firsts = np.unique(groups[order], return_index=True)
        met = groups[order[np.sort(firsts)]]
        chosen = met[: max(1, round(test_share * len(met)))] if len(met) > 1 else met[:0]
        tested = np.isin(groups, chosen)
    return order[~tested[order]], order[tested[order]]


def _linear(matrix: np.ndarray, train: np.ndarray, coded: np.ndarray, count: int) -> Predict:
    dim = matrix.shape[1]
    gram = np.zeros((dim + 1, dim + 1))
    right = np.zeros((dim + 1, count))
    for start in range(0, len(train), _BLOCK):
        vectors, _ = unit_rows(matrix, train[start : start + _BLOCK])
        rows = np.concatenate([vectors, np.ones((len(vectors), 1), np.float32)], axis=1)
        rows = rows.astype(np.float64)
        wanted = np.eye(count)[coded[start : start + _BLOCK]]
        gram += rows.T @ rows
        right += rows.T @ wanted
    penalty = np.full(dim + 1, _RIDGE * len(train) / dim)
    penalty[-1] = 0.0
    weights = np.linalg.solve(gram + np.diag(penalty), right)

    def predict(vectors: np.ndarray) -> np.ndarray:
        return np.asarray((vectors @ weights[:-1] + weights[-1]).argmax(axis=1))

    return predict


def _neighbours(matrix: np.ndarray, train: np.ndarray, coded: np.ndarray, count: int) -> Predict:
    known, _ = unit_rows(matrix, train)
    k = min(_NEIGHBOURS, len(train))

    def predict(vectors: np.ndarray) -> np.ndarray:
        cosine = vectors @ known.T
        near = np.argpartition(-cosine, k - 1, axis=1)[:, :k]
        weight = np.take_along_axis(cosine, near, axis=1) + 1.0
        votes = np.zeros((len(vectors), count))
        for place in range(k):
            np.add.at(votes, (np.arange(len(vectors)), coded[near[:, place]]), weight[:, place])
        return np.asarray(votes.argmax(axis=1))

    return predict
