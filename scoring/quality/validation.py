"""What a regressor is worth: cross-validation by unit, intervals, tests, importances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scoring.quality.design import Design, make_design
from scoring.quality.forward import Arrays
from scoring.quality.labels import Labels
from scoring.quality.regressor import (
    Fitted,
    Regressor,
    find_regressor,
    fit_tuned,
    score_units,
)

DRAWS = 2000
"""Bootstrap draws of an interval."""
REPEATS = 5
"""Shuffles of a feature for its importance."""


@dataclass(frozen=True)
class Validated:
    """A regressor judged on units that its fits have not seen.

    Attributes:
        predictions: (u,) label predicted for each unit by the fit that held its fold out.
        losses: (u,) weighted squared errors, whose mean is the MSE.
        fits: The fit of each fold.
    """

    predictions: np.ndarray
    losses: np.ndarray
    fits: list[Fitted]

    @property
    def mse(self) -> float:
        """Weighted mean squared error out of sample."""
        return float(self.losses.mean())


def cross_validate(regressor: Regressor, design: Design, folds: np.ndarray, seed: int) -> Validated:
    """Nested cross-validation: each fold is predicted by a fit, tuned and trained without it.

    Args:
        regressor: What is judged.
        design: Features and labels.
        folds: (u,) fold of each unit, from 0 up.
        seed: Of inner folds and fits.
    """
    masks = folds != np.arange(int(folds.max()) + 1)[:, None]
    fits = fit_tuned(regressor, design, masks, seed)
    predictions = np.zeros(len(design))
    for fold, fit in enumerate(fits):
        units = np.flatnonzero(folds == fold)
        predictions[units] = score_units(regressor, fit.arrays, design, units)
    return Validated(predictions, design.weights * (predictions - design.labels) ** 2, fits)


def explained(losses: np.ndarray, bar: np.ndarray) -> float:
    """Cross-validated R²: 1 - MSE / MSE of the mean predictor. Above 0: better than the mean."""
    return float(1 - losses.sum() / bar.sum())


def resampled(design: Design, seed: int, draws: int = DRAWS) -> np.ndarray:
    """(draws, u) how often each unit is drawn; units of one block are drawn together."""
    names, block = np.unique(design.blocks, return_inverse=True)
    rng = np.random.default_rng(seed)
    return rng.multinomial(len(names), np.full(len(names), 1 / len(names)), draws)[:, block]


def interval(values: np.ndarray) -> tuple[float, float]:
    """The middle 95 %."""
    low, high = np.nanquantile(values, [0.025, 0.975])
    return float(low), float(high)


def r2_interval(
    losses: np.ndarray, bar: np.ndarray, design: Design, seed: int
) -> tuple[float, float]:
    """Bootstrap interval of R² over units (95 %)."""
    counts = resampled(design, seed)
    return interval(1 - (counts @ losses) / np.maximum(counts @ bar, 1e-300))


def within_one_error(losses: np.ndarray, best: np.ndarray, design: Design) -> bool:
    """Whether a mean loss lies within one standard error of the best's, paired by block."""
    _, block = np.unique(design.blocks, return_inverse=True)
    difference = np.bincount(block, weights=losses - best)
    error = difference.std(ddof=1) * np.sqrt(len(difference))
    return bool(difference.sum() <= error)


def shuffled(design: Design, rng: np.random.Generator) -> np.ndarray:
    """(u,) a new order of the labels in which those of a block stay together.

    Labels of one block (one picture, one source) may be alike; dealt out one by one they would
    look far more different from any prediction than chance alone makes them. Blocks therefore
    change places as a whole, as runs of neighbours; where they differ in size a run may reach
    over the edge of another.
    """
    names, block = np.unique(design.blocks, return_inverse=True)
    if len(names) == len(design):
        return rng.permutation(len(design))
    order = np.empty(len(design), np.int64)
    home = np.argsort(block, kind="stable")
    order[home] = np.lexsort((rng.random(len(design)), rng.permutation(len(names))[block]))
    return order


def shuffle_test(found: Validated, design: Design, permutations: int, seed: int) -> float:
    """Chance of so small an error if the labels had nothing to do with the features.

    The labels (with their weights) are shuffled against the held-out predictions, those of a block
    together (:func:`shuffled`). Under that hypothesis both are independent already; that held-out
    predictions lean away from the labels they were fitted without makes the test a little strict.
    """
    rng = np.random.default_rng(seed)
    hits = 0
    for _ in range(permutations):
        order = shuffled(design, rng)
        errors = found.predictions - design.labels[order]
        hits += int((design.weights[order] * errors**2).mean() <= found.mse * (1 + 1e-12))
    return (1 + hits) / (1 + permutations)


def refit_test(
    regressor: Regressor,
    found: Mapping[str, Validated],
    design: Design,
    folds: np.ndarray,
    permutations: int,
    seed: int,
) -> float:
    """The same question, with everything (tuning included) done again for each shuffle."""
    rng = np.random.default_rng(seed)
    reached = explained(found[regressor.name].losses, found["mean"].losses)
    mean = find_regressor("mean")
    hits = 0
    for _ in range(permutations):
        order = shuffled(design, rng)
        dealt = replace(design, labels=design.labels[order], weights=design.weights[order])
        again = cross_validate(regressor, dealt, folds, seed)
        bar = cross_validate(mean, dealt, folds, seed)
        hits += int(explained(again.losses, bar.losses) >= reached - 1e-12)
    return (1 + hits) / (1 + permutations)


def calibration(found: Validated, design: Design, seed: int) -> dict[str, Any]:
    """Slope of label on held-out prediction: 1 is right, below 1 the predictions are too bold."""
    counts = np.concatenate([np.ones((1, len(design))), resampled(design, seed)])
    w = counts * design.weights
    w = w / w.sum(axis=1, keepdims=True)
    x, y = found.predictions, design.labels
    mx, my = w @ x, w @ y
    variance = w @ x**2 - mx**2
    slopes = np.full(len(w), np.nan)
    np.divide(w @ (x * y) - mx * my, variance, out=slopes, where=variance > 1e-300)
    low, high = interval(slopes[1:]) if np.isfinite(slopes[1:]).any() else (np.nan, np.nan)
    return {
        "slope": float(slopes[0]),
        "slope_low": low,
        "slope_high": high,
        "intercept": float(my[0] - slopes[0] * mx[0]),
    }


def rank_correlation(found: Validated, design: Design, seed: int) -> dict[str, float | None]:
    """Spearman's rho of held-out prediction and label, and its bootstrap interval (95 %)."""
    from scipy.stats import rankdata, spearmanr

    empty: dict[str, float | None] = {"spearman": None, "spearman_low": None, "spearman_high": None}
    if np.ptp(found.predictions) == 0 or np.ptp(design.labels) == 0:
        return empty
    counts = resampled(design, seed, DRAWS // 4)
    drawn = []
    for row in counts:
        units = np.repeat(np.arange(len(design)), row)
        ranks = [rankdata(v[units]) for v in (found.predictions, design.labels)]
        if np.ptp(ranks[0]) and np.ptp(ranks[1]):
            drawn.append(np.corrcoef(*ranks)[0, 1])
    low, high = interval(np.array(drawn)) if drawn else (np.nan, np.nan)
    rho = float(spearmanr(found.predictions, design.labels).statistic)
    return {"spearman": rho, "spearman_low": low, "spearman_high": high}


def importances(
    regressor: Regressor,
    found: Validated,
    values: np.ndarray,
    columns: Sequence[str],
    labels: Labels,
    preparation: Arrays,
    folds: np.ndarray,
    seed: int,
) -> dict[str, dict[str, float]]:
    """How much the held-out error grows when one feature is shuffled between all samples.

    Args:
        regressor: The judged regressor.
        found: Its cross-validation.
        values: (N, d) raw features of the run.
        columns: Their names.
        labels: The labels.
        preparation: See :func:`scoring.quality.design.prepare`.
        folds: As in :func:`cross_validate`.
        seed: Of the shuffles.

    Returns:
        By column, mean and standard deviation over five shuffles, as shares of the MSE.
    """
    rows = np.concatenate(labels.members)
    rng = np.random.default_rng(seed)
    result = {}
    for c, name in enumerate(columns):
        rises = []
        for _ in range(REPEATS):
            changed = values.copy()
            changed[rows, c] = values[rng.permutation(rows), c]
            design = make_design(changed, labels, preparation)
            errors = np.zeros(len(design))
            for fold, fit in enumerate(found.fits):
                units = np.flatnonzero(folds == fold)
                errors[units] = score_units(regressor, fit.arrays, design, units)
            mse = float((design.weights * (errors - design.labels) ** 2).mean())
            rises.append(mse / max(found.mse, 1e-300) - 1)
        result[name] = {"mean": float(np.mean(rises)), "sd": float(np.std(rises))}
    return result
