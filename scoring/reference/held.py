"""The vectors of a reference, held in memory for rows that come one after the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scoring.metrics.diversity import JointSpace

HELD_BYTES = 2**30
"""Larger vectors stay on disk; the answers are the same."""


@dataclass(frozen=True, slots=True)
class HeldSpace:
    """A joint space whose unit vectors are worked out once.

    Attributes:
        usable: (n,) which rows have a vector.
        matrix: (n, d) float32 unit rows, zero where there is none.
    """

    usable: np.ndarray
    matrix: np.ndarray

    @classmethod
    def of(cls, space: JointSpace) -> HeldSpace:
        """The same vectors as ``space`` gives, to the last bit."""
        rows = np.flatnonzero(space.usable)
        width = sum(m.shape[1] for m in (space.image, space.text) if m is not None)
        matrix = np.zeros((len(space.usable), width), np.float32)
        matrix[rows] = space.rows(rows)
        return cls(space.usable, matrix)

    def rows(self, rows: np.ndarray) -> np.ndarray:
        """Unit vectors of usable rows."""
        if len(rows) and (np.diff(rows) == 1).all():
            return self.matrix[rows[0] : rows[-1] + 1]  # no copy
        return self.matrix[rows]
