"""Rows of several matrices as if they stood in one, without putting them there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


class StackedRows:
    """Chosen rows of memory maps, one after the other; read when they are asked for.

    Args:
        parts: Pairs of a matrix (n, d), d the same for all, and the positions (m,) to show of it.

    Raises:
        ValueError: If there is no part, or the widths differ.
    """

    def __init__(self, parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
        widths = {matrix.shape[1] for matrix, _ in parts}
        if len(widths) != 1:
            raise ValueError(f"rows of {len(parts)} matrices of the widths {sorted(widths)}")
        self._parts = list(parts)
        self._starts = np.cumsum([0, *(len(rows) for _, rows in parts)])
        self.shape = (int(self._starts[-1]), widths.pop())
        self.dtype = np.result_type(*(matrix.dtype for matrix, _ in parts))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        wanted = np.arange(len(self))[rows]
        out = np.empty((len(wanted), self.shape[1]), dtype=self.dtype)
        owner = np.searchsorted(self._starts, wanted, side="right") - 1
        for number in np.unique(owner):
            matrix, shown = self._parts[number]
            here = owner == number
            out[here] = matrix[shown[wanted[here] - self._starts[number]]]
        return out
