"""How many are to be chosen: in all, as a share, or of each class; always met exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data_cards.errors import BadInputError
from selector.coreset.given import share_of, whole_number
from selector.prune.rule import keep_count
from selector.quotas import quotas


@dataclass(frozen=True)
class Budget:
    """One of three ways to say it.

    Attributes:
        count: So many; 0 chooses nothing.
        fraction: This share, from 0 to 1, to the nearest whole number.
        per_class: So many of each class.
        balanced: Whether a count or share is divided among the classes as they are large (largest
            remainder), rather than chosen from all together. ``per_class`` always is.
    """

    count: int | None = None
    fraction: float | None = None
    per_class: int | None = None
    balanced: bool = False

    def __post_init__(self) -> None:
        given = [self.count, self.fraction, self.per_class]
        if sum(one is not None for one in given) != 1:
            raise BadInputError(
                "a budget is a count, a fraction or a number per class", "Give one of the three."
            )
        for name, value in (("count", self.count), ("number per class", self.per_class)):
            if value is not None:
                whole_number(value, name)
        if self.fraction is not None:
            share_of(self.fraction, "kept fraction")

    def total(self, rows: int, labels: np.ndarray | None = None, names: Sequence[Any] = ()) -> int:
        """How many that is.

        Args:
            rows: Rows there are.
            labels: (n,) whole numbers from 0 up; needed for ``per_class``.
            names: Of the classes, for messages.

        Raises:
            BadInputError: There are not so many.
        """
        if self.per_class is not None:
            return int(self.shares(labels, names).sum())
        wanted = keep_count(rows, self.fraction) if self.fraction is not None else self.count
        assert wanted is not None
        if wanted > rows:
            raise BadInputError(
                f"{wanted:,} cannot be chosen of {rows:,} rows", "Ask for fewer, or give more rows."
            )
        return wanted

    def shares(self, labels: np.ndarray | None, names: Sequence[Any] = ()) -> np.ndarray:
        """How many of each class, by its number.

        Args:
            labels: (n,) whole numbers from 0 up.
            names: Of the classes, for messages.

        Raises:
            BadInputError: There are no classes, or one is smaller than what is asked of it.
        """
        if labels is None:
            raise BadInputError(
                "a budget for each class needs classes", "Say where they are, or give a count."
            )
        sizes = np.bincount(labels)
        if self.per_class is None:
            return quotas(sizes, self.total(len(labels)))
        small = np.flatnonzero((sizes < self.per_class) & (sizes > 0))
        if len(small):
            name = names[small[0]] if len(names) else f"number {small[0]}"
            raise BadInputError(
                f"class {name} has {sizes[small[0]]:,} rows, fewer than the "
                f"{self.per_class:,} of each that are asked for",
                "Ask for fewer of each, or leave that class out.",
            )
        return np.where(sizes > 0, self.per_class, 0)
