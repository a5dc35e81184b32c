"""How outcomes' variance divides into features, samples' own parts and noise: all ways, weighed.

Outcomes are normal around a mean, with covariance
``noise² (I + ratio (split F + (1 - split) O))``: F is what groups share of features, O what they
share of samples, each scaled so that it gives centred outcomes a mean variance of 1. Few trainings
leave ``ratio`` and ``split`` open. A single best pair would pass for certain; at its boundary (a
ratio of 0) it even calls effects exactly known. So every pair of a grid counts by its posterior:
the restricted likelihood (Patterson & Thompson, Biometrika 1971), in which the mean and the noise
are integrated out (Harville, Biometrika 1974), times a flat prior: all divisions of the variance
into the parts of features, samples and noise are equally likely before anything is seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_RATIOS = np.linspace(-9, 9, 73)
_SPLITS = np.linspace(-7, 7, 29)
"""Nodes of the grid as log-odds: of what is no noise in the variance, and of features in that."""
_TOLD = 0.01
"""Nats that the likelihood must be expected to differ by before two kernels count as different."""


@dataclass(frozen=True)
class Divisions:
    """Every division of a grid, g in all, with the fit of r outcomes under each.

    Attributes:
        weights: (g,) posterior probability of each; they sum to 1.
        by_features: (g,) variance of an outcome that features explain, over the noise's.
        by_members: (g,) variance that samples' own parts explain, over the noise's.
        noise: (g,) posterior mean of the noise's variance.
        mean: (g,) generalised least squares estimate of the mean.
        projected: (g, r) ``P y``, where P is the inverse covariance over ``noise²`` with the mean
            projected out.
        held_out: (r,) each outcome as predicted from the others. The divisions are weighed anew
            from the others too.
    """

    weights: np.ndarray
    by_features: np.ndarray
    by_members: np.ndarray
    noise: np.ndarray
    mean: np.ndarray
    projected: np.ndarray
    held_out: np.ndarray
    _bases: list[np.ndarray]
    _shrunk: list[np.ndarray]

    def pooled(self, factors: np.ndarray) -> np.ndarray:
        """(r, r) sum over divisions of P times a (g,) factor."""
        total = np.zeros((self.projected.shape[1],) * 2)
        start = 0
        for basis, shrunk in zip(self._bases, self._shrunk, strict=True):
            total += (basis * (factors[start : start + len(shrunk)] @ shrunk)) @ basis.T
            start += len(shrunk)
        return total


def divide(outcomes: np.ndarray, features: np.ndarray, members: np.ndarray) -> Divisions:
    """Weigh all divisions by what the outcomes say of them.

    Args:
        outcomes: (r,), r at least 4.
        features: (r, r) scaled kernel F; zeros: it takes no part.
        members: (r, r) scaled kernel O; zeros likewise.
    """
    r = len(outcomes)
    contrasts = _contrasts(r)
    bases, shrunk, rows = [], [], []
    for split in _splits(bool(features.any()), bool(members.any())):
        kernel = split * features + (1 - split) * members
        values, vectors = np.linalg.eigh(contrasts.T @ kernel @ contrasts)
        values, basis = np.maximum(values, 0), contrasts @ vectors
        odds = np.exp(_RATIOS) if kernel.any() else np.zeros(1)
        spread = 1 / (1 + np.outer(odds, values))
        turned = basis.T @ outcomes
        projected = (spread * turned) @ basis.T
        own = spread @ (basis**2).T
        misfit = spread @ turned**2
        volume = np.log(spread).sum(1)
        belief = _prior(odds, split)
        # Without one outcome: the same formulas, brought up to date by its row of P.
        fewer = np.maximum(misfit[:, None] - projected**2 / own, np.finfo(float).tiny)
        rows.append(
            {
                "score": belief + 0.5 * (volume - (r - 1) * np.log(misfit)),
                "fewer": belief[:, None]
                + 0.5 * (volume[:, None] - np.log(own) - (r - 2) * np.log(fewer)),
                "by_features": odds * split,
                "by_members": odds * (1 - split),
                "noise": misfit / (r - 3),
                "mean": outcomes.mean() - odds * (projected @ kernel.mean(0)),
                "projected": projected,
                "left": outcomes - projected / own,
            }
        )
        bases.append(basis)
        shrunk.append(spread)
    found = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    return Divisions(
        weights=_weights(found["score"]),
        by_features=found["by_features"],
        by_members=found["by_members"],
        noise=found["noise"],
        mean=found["mean"],
        projected=found["projected"],
        held_out=(_weights(found["fewer"]) * found["left"]).sum(0),
        _bases=bases,
        _shrunk=shrunk,
    )


def is_noise(kernel: np.ndarray) -> bool:
    """Whether outcomes cannot tell a scaled (r, r) kernel's variance from noise.

    On contrasts of outcomes it is then proportional to the identity, as that of disjoint groups of
    one size is: the likelihood is flat in its ratio. A kernel that is nearly so counts too: the
    likelihood would differ by less than a hundredth of a nat, so that only the prior would speak.
    """
    contrasts = _contrasts(len(kernel))
    values = np.linalg.eigvalsh(contrasts.T @ kernel @ contrasts)
    return bool(((values - values.mean()) ** 2).sum() <= 4 * _TOLD * values.mean() ** 2)


def _contrasts(count: int) -> np.ndarray:
    """(r, r - 1) orthonormal columns that each sum to 0."""
    from scipy.linalg import helmert

    return np.asarray(helmert(count).T)


def _splits(features: bool, members: bool) -> np.ndarray:
    """Nodes of ``split``; one alone where there is nothing to split."""
    return 1 / (1 + np.exp(-_SPLITS)) if features and members else np.array([float(features)])


def _prior(odds: np.ndarray, split: float) -> np.ndarray:
    """Logarithm of the flat prior's mass at each node, up to a constant.

    A flat density of three shares that sum to 1 is one of twice the share that is no noise, and
    flat in how that splits; of two shares it is flat. Nodes lie evenly in log-odds.
    """
    if len(odds) == 1:
        return np.zeros(1)
    signal = odds / (1 + odds)
    mass = signal * (1 - signal)
    return np.log(mass * signal * split * (1 - split) if 0 < split < 1 else mass)


def _weights(scores: np.ndarray) -> np.ndarray:
    """Probabilities out of logarithms, along the first axis."""
    weights = np.exp(scores - scores.max(0))
    return np.asarray(weights / weights.sum(0))
