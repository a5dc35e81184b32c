"""One way in for everything that learns: the Protocol, the registry, and tuning inside a fold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np

from data_cards.errors import BadInputError
from scoring.quality.design import Design, make_folds
from scoring.quality.forward import Arrays, score_rows


class Regressor(Protocol):
    """Something that learns a label from features.

    Attributes:
        name: Name in the registry, and the ``kind`` of the artefact.
        summary: One line for people.
        inner_folds: Folds in which the setting is chosen; 0: there is nothing to choose.
        linear: The score of a mean is the mean of the scores, so that units can be scored at once.
        raw: Takes features as they are, not standardised.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    inner_folds: ClassVar[int]
    linear: ClassVar[bool]
    raw: ClassVar[bool]

    def settings(self) -> Sequence[dict[str, Any]]:
        """What can be chosen, the most cautious first."""

    def fit(self, design: Design, masks: np.ndarray, seed: int) -> list[list[Arrays]]:
        """Fit on the units of each mask, in each setting.

        Args:
            design: Features and labels.
            masks: (f, u) bool; which units each of the f fits may see.
            seed: Of whatever draws.

        Returns:
            f lists with the arrays of each setting (see :mod:`scoring.quality.forward`).
        """


ORDER = ("mean", "ridge", "forest", "gbm", "mlp", "attention", "release")
"""Simplest first: of two that do equally well the earlier one wins."""
DEFAULT = ORDER[:-1]
SEEDS = 3
"""Networks that are averaged in a final fit."""
_REGISTRY: dict[str, type[Any]] = {}
Class = TypeVar("Class", bound=type)


def register(regressor: Class) -> Class:
    """Class decorator: make a regressor known under its ``name``."""
    _REGISTRY[regressor.name] = regressor  # type: ignore[attr-defined]
    return regressor


def find_regressor(name: str) -> Regressor:
    """A regressor by name.

    Raises:
        BadInputError: If there is none of that name.
    """
    known = registry()
    if name not in known:
        raise BadInputError(f"There is no regressor {name!r}.", f"Known: {', '.join(known)}.")
    return known[name]()


def registry() -> dict[str, Callable[[], Regressor]]:
    """All regressors by name, simplest first."""
    from scoring.quality import boosting, forest, linear, networks, release_network  # noqa: F401

    first = [name for name in ORDER if name in _REGISTRY]
    return {name: _REGISTRY[name] for name in (*first, *(n for n in _REGISTRY if n not in ORDER))}


@dataclass(frozen=True)
class Fitted:
    """A fit in the setting that its inner folds chose.

    Attributes:
        arrays: What was learned.
        setting: The setting that was chosen.
    """

    arrays: Arrays
    setting: dict[str, Any]


def fit_tuned(regressor: Regressor, design: Design, masks: np.ndarray, seed: int) -> list[Fitted]:
    """Fit on each mask, the setting chosen by cross-validation inside that mask alone.

    Args:
        regressor: What to fit.
        design: Features and labels.
        masks: (f, u) bool.
        seed: Of folds and fits.

    Returns:
        f fits.
    """
    settings = regressor.settings()
    if len(settings) == 1 or not regressor.inner_folds:
        return [Fitted(fits[0], settings[0]) for fits in regressor.fit(design, masks, seed)]
    inner_masks: list[np.ndarray] = []
    held: list[tuple[int, np.ndarray]] = []
    for outer, mask in enumerate(masks):
        units = np.flatnonzero(mask)
        folds = make_folds([design.blocks[u] for u in units], regressor.inner_folds, seed + 1)
        for fold in range(int(folds.max()) + 1):
            inner = mask.copy()
            inner[units[folds == fold]] = False
            inner_masks.append(inner)
            held.append((outer, units[folds == fold]))
    fits = regressor.fit(design, np.concatenate([masks, np.array(inner_masks)]), seed)
    losses = np.zeros((len(masks), len(settings)))
    for (outer, units), path in zip(held, fits[len(masks) :], strict=True):
        errors = _score_path(regressor, path, design, units) - design.labels[units]
        losses[outer] += errors**2 @ design.weights[units]
    best = losses.argmin(axis=1)
    return [
        Fitted(path[chosen], settings[chosen])
        for path, chosen in zip(fits[: len(masks)], best, strict=True)
    ]


def fit_all(
    regressor: Regressor, design: Design, seed: int
) -> tuple[Arrays, dict[str, Any], float | None]:
    """The final fit on all units; networks are the mean of three, each from weights of its own.

    Returns:
        Arrays, the setting that inner folds chose (of the first seed), and for networks the mean
        Spearman correlation of the samples' scores between two seeds.
    """
    from scipy.stats import spearmanr

    everything = np.ones((1, len(design)), dtype=bool)
    if regressor.name not in ("mlp", "attention"):
        fit = fit_tuned(regressor, design, everything, seed)[0]
        return fit.arrays, fit.setting, None
    fits = [fit_tuned(regressor, design, everything, seed + k)[0] for k in range(SEEDS)]
    scores = [score_rows(regressor.name, fit.arrays, design.rows) for fit in fits]
    pairs = [(a, b) for a in range(SEEDS) for b in range(a)]
    agreement = float(np.mean([spearmanr(scores[a], scores[b]).statistic for a, b in pairs]))
    names = fits[0].arrays
    arrays = {name: np.concatenate([fit.arrays[name] for fit in fits]) for name in names}
    return arrays, fits[0].setting, agreement


def _score_path(
    regressor: Regressor, path: Sequence[Arrays], design: Design, units: np.ndarray
) -> np.ndarray:
    """(settings, units) predicted labels."""
    if regressor.name == "ridge":  # all settings in one product: tests do this very often
        weights = np.stack([arrays["weights"] for arrays in path])
        levels = np.stack([arrays["intercept"] for arrays in path])
        return weights @ design.means[units].T + levels[:, None]
    return np.stack([score_units(regressor, arrays, design, units) for arrays in path])


def score_units(
    regressor: Regressor, arrays: Arrays, design: Design, units: np.ndarray
) -> np.ndarray:
    """Predicted labels of some units: the mean score of the samples of each."""
    if regressor.linear:
        return score_rows(regressor.name, arrays, design.means[units])
    if regressor.name == "release":  # every sample attends to the whole pool
        return design.pool(score_rows(regressor.name, arrays, design.rows))[units]
    if not design.grouped:
        return score_rows(regressor.name, arrays, design.rows[units])
    rows = np.isin(design.unit, units)
    scores = score_rows(regressor.name, arrays, design.rows[rows])
    sums = np.bincount(design.unit[rows], weights=scores, minlength=len(design))
    return sums[units] / design.sizes[units]
