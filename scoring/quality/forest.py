"""Averaged trees, split at random: the most cautious of what can bend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from scoring.quality.boosting import pack_trees, solve_leaves
from scoring.quality.design import Design
from scoring.quality.forward import Arrays
from scoring.quality.regressor import register

TREES = 200
SHARE = 0.5
"""Of the features, looked at for each split."""
LEAF = 0.0075
"""Fewest samples of a leaf, as a share of all, and never below :data:`SMALLEST`."""
SMALLEST = 3


@register
class Forest:
    """Extremely randomised trees (Geurts, Ernst and Wehenkel 2006), 200 of them averaged.

    Takes features as they are: thresholds are drawn evenly over a feature's range, so that extreme
    values stand apart, as they would not among percentiles.

    Labels of samples: scikit-learn's ``ExtraTreesRegressor``, held to rise in the features that
    :attr:`~scoring.quality.design.Design.signs` says. Labels of groups: the trees are grown on the
    samples under the label of their group, without that hold, and then the values of each tree's
    leaves are solved for all groups at once, as those of ``gbm`` are.
    """

    name: ClassVar[str] = "forest"
    summary: ClassVar[str] = "trees split at random, averaged; can be held to rise in a feature"
    inner_folds: ClassVar[int] = 0
    linear: ClassVar[bool] = False
    raw: ClassVar[bool] = True

    def settings(self) -> Sequence[dict[str, Any]]:
        """Nothing to choose: averaging does not overfit with more trees."""
        return [{}]

    def fit(self, design: Design, masks: np.ndarray, seed: int) -> list[list[Arrays]]:
        """The trees of each mask."""
        one = self._groups if design.grouped else self._samples
        return [[one(design, mask, seed)] for mask in masks]

    def _samples(self, design: Design, mask: np.ndarray, seed: int) -> Arrays:
        model = _trees(int(mask.sum()), seed, design.signs)
        model.fit(design.rows[mask], design.labels[mask], sample_weight=design.weights[mask])
        return pack_trees([tree.tree_ for tree in model.estimators_], 0.0, 1 / TREES)

    def _groups(self, design: Design, mask: np.ndarray, seed: int) -> Arrays:
        units = np.flatnonzero(mask)
        seen = np.flatnonzero(mask[design.unit])
        unit = np.searchsorted(units, design.unit[seen])
        rows = design.rows[seen].astype(np.float32)
        sizes, weights = design.sizes[units], design.weights[units]
        level = float(np.average(design.labels[units], weights=weights))
        left = design.labels[units] - level
        model = _trees(len(rows), seed, None)
        model.fit(rows, left[unit], sample_weight=(weights / sizes)[unit])
        for tree in model.estimators_:
            solve_leaves(tree.tree_, rows, unit, sizes, left, weights)
        return pack_trees([tree.tree_ for tree in model.estimators_], level, 1 / TREES)


def _trees(count: int, seed: int, signs: np.ndarray | None) -> Any:
    from sklearn.ensemble import ExtraTreesRegressor

    return ExtraTreesRegressor(
        n_estimators=TREES,
        max_features=SHARE,
        min_samples_leaf=max(SMALLEST, round(LEAF * count)),
        monotonic_cst=signs if signs is not None and signs.any() else None,
        random_state=seed,
    )
