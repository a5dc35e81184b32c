"""Gradient-boosted trees: scikit-learn's for labels of samples, of group means for groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from scoring.quality.design import Design
from scoring.quality.forward import Arrays
from scoring.quality.regressor import register

TREES = (3, 10, 30, 60)
RATE = 0.2
DEPTH = 2
_MOST_ROWS = 4000
"""Rows a tree looks at; more only take longer."""


@register
class Boosting:
    """Trees of depth 2, rate 0.2, fitted one after the other to what is left unexplained.

    Labels of samples: scikit-learn's ``GradientBoostingRegressor``. Labels of groups: the loss is
    sum_g w_g (y_g - mean_{j in g} F(x_j))², and each round fits a scikit-learn tree to its
    gradient at the samples (the residual of their group) and then solves the values of its leaves
    for all groups at once, penalised as strongly as the leaf shares of the groups vary.
    """

    name: ClassVar[str] = "gbm"
    summary: ClassVar[str] = "gradient-boosted trees, applied to samples and averaged over units"
    inner_folds: ClassVar[int] = 3
    linear: ClassVar[bool] = False
    raw: ClassVar[bool] = False

    def settings(self) -> Sequence[dict[str, Any]]:
        """Numbers of trees, fewest first."""
        return [{"trees": count} for count in TREES]

    def fit(self, design: Design, masks: np.ndarray, seed: int) -> list[list[Arrays]]:
        """Trees of each mask; the settings are beginnings of the same row of trees."""
        one = self._groups if design.grouped else self._samples
        paths = []
        for mask in masks:
            trees, intercept = one(design, mask, seed)
            paths.append([pack_trees(trees[:count], intercept, RATE) for count in TREES])
        return paths

    def _samples(self, design: Design, mask: np.ndarray, seed: int) -> tuple[list[Any], float]:
        from sklearn.ensemble import GradientBoostingRegressor

        count = int(mask.sum())
        model = GradientBoostingRegressor(
            n_estimators=max(TREES),
            learning_rate=RATE,
            max_depth=DEPTH,
            subsample=min(0.7, _MOST_ROWS / count),
            min_samples_leaf=max(2, min(20, count // 20)),
            random_state=seed,
        )
        model.fit(design.rows[mask], design.labels[mask], sample_weight=design.weights[mask])
        return [row[0].tree_ for row in model.estimators_], float(model.init_.constant_.item())

    def _groups(self, design: Design, mask: np.ndarray, seed: int) -> tuple[list[Any], float]:
        from sklearn import config_context
        from sklearn.tree import DecisionTreeRegressor

        units = np.flatnonzero(mask)
        seen = np.flatnonzero(mask[design.unit])
        unit = np.searchsorted(units, design.unit[seen])
        rows = design.rows[seen].astype(np.float32)
        sizes = design.sizes[units]
        weights = design.weights[units]
        level = float(np.average(design.labels[units], weights=weights))
        left = design.labels[units] - level
        rng = np.random.default_rng(seed)
        subsample = min(len(rows), max(_MOST_ROWS // 4, len(rows) // 4))
        trees = []
        for _ in range(max(TREES)):
            drawn = rng.choice(len(rows), subsample, replace=False)
            tree = DecisionTreeRegressor(
                max_depth=DEPTH,
                min_samples_leaf=max(2, subsample // 20),
                random_state=int(rng.integers(2**31)),
            )
            with config_context(skip_parameter_validation=True, assume_finite=True):
                tree.fit(rows[drawn], left[unit[drawn]], (weights / sizes)[unit[drawn]], False)
            left = left - RATE * solve_leaves(tree.tree_, rows, unit, sizes, left, weights)
            trees.append(tree.tree_)
        return trees, level


def solve_leaves(
    tree: Any,
    rows: np.ndarray,
    unit: np.ndarray,
    sizes: np.ndarray,
    left: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
    """Set the values of a grown tree's leaves so that groups' means come closest to their labels.

    Args:
        tree: ``tree_`` of a fitted scikit-learn tree; its values are replaced.
        rows: (n, k) float32 samples.
        unit: (n,) group of each, from 0.
        sizes: (u,) samples of each group.
        left: (u,) what is to be explained.
        weights: (u,) of the groups.

    Returns:
        (u,) mean of the new values over the samples of each group.
    """
    nodes = tree.node_count
    place = unit * nodes + tree.apply(rows)
    share = np.bincount(place, minlength=len(sizes) * nodes).reshape(len(sizes), nodes)
    share = share / sizes[:, None]
    values = _leaf_values(share, left, weights)
    tree.value[:, 0, 0] = values
    return np.asarray(share @ values)


def _leaf_values(share: np.ndarray, left: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Values v of the leaves: least squares of ``left`` on the centred shares, penalised.

    The penalty is the mean variance of a leaf's share over groups, so that it neither drowns
    groups that hardly differ nor lets one that does be fitted exactly.
    """
    w = weights / weights.sum()
    centred = share - w @ share
    gram = centred.T @ (w[:, None] * centred)
    leaves = max(int((share.sum(axis=0) > 0).sum()), 1)
    penalty = np.trace(gram) / leaves
    if penalty <= 0:
        return np.zeros(share.shape[1])
    target = centred.T @ (w * left)
    values = np.linalg.solve(gram + penalty * np.eye(len(gram)), target)
    return values - w @ share @ values


def pack_trees(trees: Sequence[Any], intercept: float, rate: float) -> Arrays:
    """scikit-learn trees as flat arrays, children counted from the first node of all.

    Args:
        trees: ``tree_`` objects of fitted scikit-learn regression trees.
        intercept: What the sum starts from.
        rate: What each tree is multiplied with.

    Returns:
        ``roots`` (t,), and per node ``feature``, ``threshold``, ``left``, ``right`` (-1 at a leaf)
        and ``value``.
    """
    offsets = np.cumsum([0, *(tree.node_count for tree in trees)])[:-1]
    parts: dict[str, list[np.ndarray]] = {n: [] for n in ("feature", "threshold", "left", "right")}
    values = []
    for tree, offset in zip(trees, offsets, strict=True):
        inner = tree.children_left >= 0
        parts["left"].append(np.where(inner, tree.children_left + offset, -1))
        parts["right"].append(np.where(inner, tree.children_right + offset, -1))
        parts["feature"].append(np.where(inner, tree.feature, 0))
        parts["threshold"].append(np.where(inner, tree.threshold, 0.0))
        values.append(tree.value[:, 0, 0])
    return {
        "roots": offsets.astype(np.int64),
        **{name: np.concatenate(part) for name, part in parts.items()},
        "value": np.concatenate(values).astype(np.float64),
        "intercept": np.array(float(intercept)),
        "rate": np.array(float(rate)),
    }
