"""Which rows are trained on and which tested on, seed by seed; groups stay whole."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from data_cards.errors import BadInputError
from selector.coreset import Budget
from selector.order import canonical_order
from selector.prune.probe import split_rows


def split_by_class(
    ids: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None,
    *,
    test_share: float = 0.2,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Hold out about a share of the rows of each class, and no more.

    Groups are gone through in an order that hangs on the ids alone. One is tested on if none of
    its classes thereby exceeds its share of rows: a group larger than that is always trained on.

    Args:
        ids: (n,) distinct ids.
        labels: (n,) classes from 0 up.
        groups: (n,) whole numbers; rows of a group, of whatever class, stay together. ``None``:
            each row is its own.
        test_share: Share of the rows of a class.
        seed: Of the division.

    Returns:
        Positions to train on and to test on, each rising.
    """
    if groups is None:
        usable = np.ones(len(ids), dtype=bool)
        train, test = split_rows(ids, labels, usable, test_share=test_share, seed=seed)
        return np.sort(train), np.sort(test)
    order = canonical_order(ids, seed, purpose="split")
    room = np.floor(test_share * np.bincount(labels)).astype(np.int64)
    _, first, coded = np.unique(groups[order], return_index=True, return_inverse=True)
    parts = np.split(np.argsort(coded, kind="stable"), np.cumsum(np.bincount(coded))[:-1])
    tested = np.zeros(len(ids), dtype=bool)
    for group in np.argsort(first, kind="stable"):
        rows = order[parts[group]]
        needed = np.bincount(labels[rows], minlength=len(room))
        if (needed <= room).all():
            room -= needed
            tested[rows] = True
    return np.flatnonzero(~tested), np.flatnonzero(tested)


def refuse_impossible(
    labels: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    budgets: Mapping[str, Budget],
    seed: int,
    class_names: tuple[str, ...] = (),
) -> None:
    """Every budget can be had of the rows to train on, and there are rows to test on.

    Raises:
        BadInputError: Naming budget, class and seed.
    """
    if not len(train) or not len(test):
        raise BadInputError(
            f"seed {seed} leaves {len(train)} rows to train on and {len(test)} to test on",
            "Give more rows, or groups that are smaller.",
        )
    sizes = np.bincount(labels[train], minlength=int(labels.max()) + 1)
    for words, budget in budgets.items():
        small = np.flatnonzero(sizes < (budget.per_class or 0))
        if len(small):
            name = class_names[small[0]] if class_names else f"number {small[0]}"
            raise BadInputError(
                f"{words}: class {name} has {sizes[small[0]]:,} rows to train on with seed {seed}",
                "Ask for fewer of each, or leave small classes out (--least).",
            )
        if not budget.total(len(train), labels[train]):
            raise BadInputError(f"{words} keeps nothing to train on", "Ask for more.")
