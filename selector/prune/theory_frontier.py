"""The best that pruning can do in theory: which fraction, and whether hard or easy."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from data_cards.errors import BadInputError
from selector.prune.theory import Keep, error, solve

_FRACTIONS_TRIED = 13
_ALPHAS_TRIED = np.geomspace(0.5, 500, 13)
_EQUAL = 1e-6
"""Errors closer than this, in logarithms, are equal: at 90 degrees all ways are."""


@dataclass(frozen=True, slots=True)
class Best:
    """A point of the Pareto frontier: kept samples against error.

    Attributes:
        alpha: Kept samples per dimension.
        fraction: Kept fraction with the least error.
        error: That error, in [0, 1/2].
        at_bound: The error still falls at the smallest fraction allowed: the optimum is the
            bound's, not the theory's.
    """

    alpha: float
    fraction: float
    error: float
    at_bound: bool


def best_fraction(
    alpha: float, *, theta: float = 0.0, keep: Keep = "hard", smallest: float = 0.01
) -> Best:
    """The kept fraction with the least error among all that leave ``alpha``.

    The same number of kept samples may come from little data, hardly pruned, or from much data,
    pruned hard. With a perfect probe and alpha >= 2 the error falls without limit as the fraction
    goes to 0, so the frontier needs a bound.

    Args:
        alpha: Kept samples per dimension, above 0.
        theta: Angle between probe and teacher, degrees, 0 to 90.
        keep: ``"hard"`` or ``"easy"``.
        smallest: Smallest fraction tried, from 1e-6 to below 1.

    Returns:
        The best point; its fraction is good to about 0.005 where the minimum is not flat.

    Raises:
        BadInputError: An argument is outside its range.
    """
    if not 1e-6 <= smallest < 1:
        raise BadInputError(f"the smallest fraction is {smallest:g}", "Give 1e-6 to below 1.")

    def cost(log_fraction: float) -> float:
        return solve(alpha, min(1.0, np.exp(log_fraction)), theta=theta, keep=keep).error

    tried = np.linspace(np.log(smallest), 0.0, _FRACTIONS_TRIED)
    costs = [cost(x) for x in tried]
    place = int(np.argmin(costs))
    around = (tried[max(place - 1, 0)], tried[min(place + 1, len(tried) - 1)])
    found = minimize_scalar(cost, bounds=around, method="bounded", options={"xatol": 2e-3})
    x, least = (found.x, found.fun) if found.fun < costs[place] else (tried[place], costs[place])
    fraction = float(min(1.0, np.exp(x)))
    return Best(float(alpha), fraction, float(least), bool(fraction < smallest * 1.01))


def crossover(fraction: float, *, theta: float = 0.0) -> float | None:
    """How many samples it takes until keeping the hard ones is the better way.

    Args:
        fraction: Kept fraction, in (0, 1).
        theta: Angle between probe and teacher, degrees, 0 to 90.

    Returns:
        All samples per dimension (before pruning) where both errors are equal for the first time:
        below, keep easy; above, keep hard. ``None`` if there is no such point from 0.5 to 500
        (with an imperfect probe and a small fraction hard may never win).

    Raises:
        BadInputError: An argument is outside its range.
    """
    if not 0 < fraction < 1:
        raise BadInputError(f"the kept fraction is {fraction:g}", "Give above 0 and below 1.")

    def lead(log_alpha: float) -> float:
        total = np.exp(log_alpha)
        hard, easy = (error(total, fraction, theta=theta, keep=k) for k in ("hard", "easy"))
        return float(np.log(hard / easy))

    tried = np.log(_ALPHAS_TRIED)
    before = lead(tried[0])
    for low, high in pairwise(tried):
        after = lead(high)
        if before > _EQUAL and after < -_EQUAL:
            return float(np.exp(brentq(lead, low, high, xtol=1e-4)))
        before = after
    return None
