"""From outcomes of trainings on subsets to the effect of each sample: a linear datamodel.

Ilyas et al., "Datamodels: Predicting Predictions from Training Data", ICML 2022 (section 2): the
outcome of a training is regressed on which samples were in it. With far fewer trainings than
samples that alone says little, so the effect of a sample is taken for the sum of what its features
say and of something of its own, both random with mean zero. How much each part counts is estimated
by restricted maximum likelihood (Patterson & Thompson, Biometrika 1971); the effects are the best
linear unbiased predictions (Henderson, Biometrics 1975), with their posterior deviation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data_cards.errors import BadInputError

FEWEST = 8
"""Trainings below which nothing is fitted."""
_RATIOS = np.concatenate([[0.0], np.logspace(-3, 3, 13)])
_BLOCK = 4096
_DRAWS = 2000


@dataclass(frozen=True)
class Datamodel:
    """A fitted linear datamodel of n samples.

    Attributes:
        mean: Outcome of a group of average samples.
        effects: (n,) by how much the outcome would differ from ``mean`` if a whole group consisted
            of samples like this one; higher is better where higher outcomes are.
        deviations: (n,) posterior standard deviation of each effect.
        by_features: Variance of an outcome that features explain, over the noise's.
        by_membership: Variance that the samples' own parts explain, over the noise's.
        noise: Standard deviation of an outcome when everything is known.
        held_out: (r,) each training's outcome as predicted without it.
        r2: 1 - squared error of ``held_out`` over that of the mean of the others.
        r2_low: Lower end of its 95 % interval, trainings drawn anew (percentile bootstrap).
        r2_high: Upper end.
    """

    mean: float
    effects: np.ndarray
    deviations: np.ndarray
    by_features: float
    by_membership: float
    noise: float
    held_out: np.ndarray
    r2: float
    r2_low: float
    r2_high: float

    def interval(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends of the effects' intervals, (n,) each."""
        from scipy.stats import norm

        reach = norm.ppf(0.5 + level / 2) * self.deviations
        return self.effects - reach, self.effects + reach

    def predict(self, groups: Sequence[np.ndarray]) -> np.ndarray:
        """Outcomes of groups, each an array of row positions."""
        return np.array([self.mean + self.effects[rows].mean() for rows in groups])


def fit_datamodel(
    groups: Sequence[np.ndarray], outcomes: np.ndarray, features: np.ndarray
) -> Datamodel:
    """Fit a datamodel.

    Args:
        groups: r arrays of distinct row positions: what each training saw. They may overlap and
            differ in size; an outcome is modelled as a mean over its samples.
        outcomes: (r,) finite.
        features: (n, k) standardised features of all samples, no NaN; k may be 0.

    Returns:
        The effects of all n samples, also of those in no group (features alone speak for them).

    Raises:
        BadInputError: Fewer than :data:`FEWEST` trainings, or outcomes that are all equal.
    """
    outcomes = np.asarray(outcomes, np.float64)
    if len(outcomes) < FEWEST:
        raise BadInputError(
            f"There are {len(outcomes)} trainings; {FEWEST} at least are needed.",
            "Ask for more of them.",
        )
    if np.ptp(outcomes) == 0:
        raise BadInputError(
            "All trainings gave the same outcome: there is nothing to learn.",
            "Train for more steps, or on larger groups.",
        )
    means = np.stack([features[rows].mean(0) for rows in groups])
    shared = _shared(groups, len(features))
    first, second = _scaled(means @ means.T), _scaled(shared)
    ratios = _reml(outcomes, first, second)
    solved = _Solved(outcomes, ratios[0] * first + ratios[1] * second)
    scale_f, scale_s = (_scale(means @ means.T), _scale(shared))
    a = ratios[0] / scale_f if scale_f else 0.0
    b = ratios[1] / scale_s if scale_s else 0.0
    effects, deviations = _effects(groups, features, means, a, b, solved)
    left = outcomes - solved.weights / np.diag(solved.projection)
    others = (outcomes.sum() - outcomes) / (len(outcomes) - 1)
    missed, spread = (outcomes - left) ** 2, (outcomes - others) ** 2
    low, high = _r2_interval(missed, spread)
    return Datamodel(
        mean=solved.mean,
        effects=effects,
        deviations=deviations,
        by_features=float(ratios[0]),
        by_membership=float(ratios[1]),
        noise=float(np.sqrt(solved.variance)),
        held_out=left,
        r2=float(1 - missed.sum() / spread.sum()),
        r2_low=low,
        r2_high=high,
    )


def _r2_interval(missed: np.ndarray, spread: np.ndarray) -> tuple[float, float]:
    """95 % of the bootstrap over trainings; the predictions stay what they are."""
    places = np.random.default_rng(0).integers(0, len(missed), (_DRAWS, len(missed)))
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = 1 - missed[places].sum(1) / spread[places].sum(1)
    low, high = np.nanpercentile(drawn, (2.5, 97.5))
    return float(low), float(high)


class _Solved:
    """Generalised least squares for one covariance: ``V = I + kernel``, up to the noise."""

    def __init__(self, outcomes: np.ndarray, kernel: np.ndarray) -> None:
        r = len(outcomes)
        covariance = np.eye(r) + kernel
        inverse = np.linalg.inv(covariance)
        ones = inverse.sum(1)
        self.projection = inverse - np.outer(ones, ones) / ones.sum()
        self.weights = self.projection @ outcomes
        self.mean = float(ones @ outcomes / ones.sum())
        self.variance = float(outcomes @ self.weights / (r - 1))
        _, determinant = np.linalg.slogdet(covariance)
        self.likelihood = -0.5 * (
            (r - 1) * np.log(self.variance) + determinant + np.log(ones.sum())
        )


def _reml(outcomes: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """The two ratios of highest restricted likelihood: a grid, then a search around its best."""
    from scipy.optimize import minimize

    pairs = [(a, b) for a in _RATIOS for b in _RATIOS]
    scores = [_Solved(outcomes, a * first + b * second).likelihood for a, b in pairs]
    best = pairs[int(np.argmax(scores))]
    free = [place for place, ratio in enumerate(best) if ratio > 0]
    if not free:
        return best

    def ratios(logs: np.ndarray) -> tuple[float, float]:
        found = list(best)
        for place, value in zip(free, logs, strict=True):
            found[place] = float(np.exp(value))
        return found[0], found[1]

    def loss(logs: np.ndarray) -> float:
        a, b = ratios(logs)
        return -_Solved(outcomes, a * first + b * second).likelihood

    start = np.log([best[place] for place in free])
    refined = minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-6})
    return ratios(refined.x if refined.fun < loss(start) else start)


def _effects(
    groups: Sequence[np.ndarray],
    features: np.ndarray,
    means: np.ndarray,
    a: float,
    b: float,
    solved: _Solved,
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions and posterior deviations, a block of samples at a time."""
    count = len(features)
    effects, deviations = np.zeros(count), np.zeros(count)
    shares = [(rows, 1 / len(rows)) for rows in groups]
    for start in range(0, count, _BLOCK):
        stop = min(start + _BLOCK, count)
        block = features[start:stop]
        cross = a * (means @ block.T)
        for place, (rows, share) in enumerate(shares):
            inside = rows[(rows >= start) & (rows < stop)] - start
            cross[place, inside] += b * share
        effects[start:stop] = solved.weights @ cross
        prior = a * (block**2).sum(1) + b
        explained = (cross * (solved.projection @ cross)).sum(0)
        deviations[start:stop] = np.sqrt(solved.variance * np.maximum(prior - explained, 0))
    return effects, deviations


def _shared(groups: Sequence[np.ndarray], count: int) -> np.ndarray:
    """(r, r) product of the membership rows, each a mean over its group."""
    from scipy.sparse import csr_array

    places = np.concatenate(groups)
    starts = np.concatenate([[0], np.cumsum([len(rows) for rows in groups])])
    shares = np.concatenate([np.full(len(rows), 1 / len(rows)) for rows in groups])
    members = csr_array((shares, places, starts), shape=(len(groups), count))
    return np.asarray((members @ members.T).toarray())


def _scale(kernel: np.ndarray) -> float:
    """Mean variance that a kernel gives to centred outcomes; 0 where it gives none."""
    r = len(kernel)
    value = float((np.trace(kernel) - kernel.sum() / r) / (r - 1))
    return value if value > 1e-12 else 0.0


def _scaled(kernel: np.ndarray) -> np.ndarray:
    scale = _scale(kernel)
    return kernel / scale if scale else np.zeros_like(kernel)
