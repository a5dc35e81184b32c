"""The bar and the straight line: predict the mean, and ridge regression on the means of units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from scoring.quality.design import Design
from scoring.quality.forward import Arrays
from scoring.quality.regressor import register

PENALTIES = (1e5, 1e4, 1e3, 3e2, 1e2, 3e1, 1e1, 3.0, 1.0, 0.3, 0.1, 0.01)


@register
class Mean:
    """Predicts the weighted mean label whatever the features are: the bar."""

    name: ClassVar[str] = "mean"
    summary: ClassVar[str] = "the mean label, whatever the metrics say: the bar"
    inner_folds: ClassVar[int] = 0
    linear: ClassVar[bool] = True
    raw: ClassVar[bool] = False

    def settings(self) -> Sequence[dict[str, Any]]:
        """Nothing to choose."""
        return [{}]

    def fit(self, design: Design, masks: np.ndarray, seed: int) -> list[list[Arrays]]:
        """The weighted mean label of each mask."""
        w = masks * design.weights
        return [[{"intercept": np.array(m)}] for m in (w @ design.labels) / w.sum(axis=1)]


@register
class Ridge:
    """Minimises sum_u w_u (y_u - b - c · z_u)² + lambda |c|², intercept free.

    z are the mean features of each unit, standardised (population deviation) on the units of the
    fit; a linear score of samples has as its mean the score of the mean, so that what is fitted on
    groups scores samples. One eigendecomposition serves all penalties; equal to scikit-learn's
    ``Ridge``.

    Args:
        penalties: The lambdas to choose from.
    """

    name: ClassVar[str] = "ridge"
    summary: ClassVar[str] = "ridge regression on the means of units; the score is a weighted sum"
    inner_folds: ClassVar[int] = 5
    linear: ClassVar[bool] = True
    raw: ClassVar[bool] = False

    def __init__(self, penalties: Sequence[float] = PENALTIES) -> None:
        self.penalties = np.asarray(sorted(penalties, reverse=True), dtype=np.float64)

    def settings(self) -> Sequence[dict[str, Any]]:
        """The penalties, largest first."""
        return [{"penalty": float(value)} for value in self.penalties]

    def fit(self, design: Design, masks: np.ndarray, seed: int) -> list[list[Arrays]]:
        """Weights and intercept of each mask and penalty; draws nothing."""
        return [self._fit_one(design, np.flatnonzero(mask)) for mask in masks]

    def _fit_one(self, design: Design, units: np.ndarray) -> list[Arrays]:
        x, y, w = design.means[units], design.labels[units], design.weights[units]
        share = w / w.sum()
        center = share @ x
        scale = np.sqrt(share @ (x - center) ** 2)
        scale[scale <= 1e-12] = np.inf  # constant here: its weight is 0
        level = share @ y
        z = (x - center) / scale
        values, axes = np.linalg.eigh((z * w[:, None]).T @ z)
        inner = axes.T @ (z.T @ (w * (y - level)))
        shrunk = inner / (np.maximum(values, 0.0) + self.penalties[:, None])
        weights = (shrunk @ axes.T) / scale
        return [{"weights": row, "intercept": np.array(level - center @ row)} for row in weights]
