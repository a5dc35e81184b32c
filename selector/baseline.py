"""Random is always in the room: any measure of the chosen beside random picks of the same size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class BesideRandom:
    """One measure of the chosen and its distribution over random draws.

    Attributes:
        name: The measure.
        chosen: Its mean (or sum) over the chosen, over those that have it.
        random_mean: Mean over the draws.
        random_low: 2.5 % quantile over the draws.
        random_high: 97.5 % quantile over the draws.
        draws: Number of draws.
        total: Sum over the whole pool.
        constant: Whether all rows that have it have the same value: no choice can change it.
    """

    name: str
    chosen: float
    random_mean: float
    random_low: float
    random_high: float
    draws: int
    total: float
    constant: bool = False


def random_draws(ids: Sequence[str], budget: int, seeds: Sequence[int]) -> np.ndarray:
    """Row numbers of uniform random picks without replacement, shape (draws, budget).

    Rows are drawn in the order of their ids, so that the order of the input does not matter.
    """
    order = np.argsort(np.asarray(ids, dtype=object).astype(str), kind="stable")
    size = min(budget, len(order))
    rows = np.empty((len(seeds), size), np.int64)
    for number, seed in enumerate(seeds):
        rows[number] = order[np.random.default_rng(seed).permutation(len(order))[:size]]
    return rows


def beside_random(
    measures: Mapping[str, np.ndarray],
    chosen: np.ndarray,
    draws: np.ndarray,
    *,
    count: bool = False,
) -> list[BesideRandom]:
    """Compare the chosen with random draws on every measure.

    Args:
        measures: Name to one float per row of the pool, NaN where missing.
        chosen: Row numbers of the chosen.
        draws: As :func:`random_draws` gives them.
        count: Sum the values (defects) instead of taking the mean.

    Returns:
        One entry per measure that any row has.
    """
    result = []
    for name, values in measures.items():
        values = np.asarray(values, float)
        if np.isnan(values).all() or not len(chosen):
            continue
        summed = np.nansum if count else _mean
        random = np.array([summed(values[rows]) for rows in draws])
        mine = float(summed(values[chosen]))
        constant = bool(np.nanmin(values) == np.nanmax(values))
        if constant and not count:  # means of equal numbers differ in the last digits
            mine, random = float(np.nanmin(values)), np.full(len(draws), np.nanmin(values))
        low, high = np.nanquantile(random, [0.025, 0.975])
        result.append(
            BesideRandom(
                name,
                mine,
                float(np.nanmean(random)),
                float(low),
                float(high),
                len(draws),
                float(np.nansum(values)),
                constant,
            )
        )
    return result


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
