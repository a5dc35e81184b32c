"""The consensus of a reference for rows outside it: the same percentiles, the same floors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from data_cards.errors import BadInputError
from scoring.metric import Direction
from scoring.quality.floors import Floor


def percentiles_in(
    values: np.ndarray, reference: np.ndarray, direction: Direction = "higher"
) -> np.ndarray:
    """Where values stand in a reference: (count below + half the count equal) / m.

    For a value of the reference itself this is its mid-rank there, to the last bit what
    :func:`scoring.quality.consensus.percentile_ranks` gives.

    Args:
        values: (n,) float, NaN where missing.
        reference: (m,) float, NaN ignored.
        direction: ``"lower"`` turns the ranks round.

    Returns:
        (n,) in [0, 1]; NaN where missing, or where the reference has no value.
    """
    sign = 1.0 if direction == "higher" else -1.0
    stored = np.sort(sign * reference[~np.isnan(reference)].astype(np.float64))
    signed = sign * np.asarray(values, dtype=np.float64)
    below = np.searchsorted(stored, signed, side="left")
    upto = np.searchsorted(stored, signed, side="right")
    result = (below + upto) / 2 / max(len(stored), 1)
    return np.where(np.isnan(signed) | (len(stored) == 0), np.nan, result)


@dataclass(frozen=True)
class ReferenceConsensus:
    """The mean percentile in a reference's columns, as in :mod:`scoring.quality.consensus`.

    Attributes:
        columns: Name to (m,) values of the reference's rows that count, NaN for the others.
        directions: Name to direction; ``"none"`` does not count.
    """

    columns: Mapping[str, np.ndarray]
    directions: Mapping[str, Direction]

    def __post_init__(self) -> None:
        if not any(self.directions[name] != "none" for name in self.columns):
            raise BadInputError(
                "no column of the reference has a direction",
                "Score it with a metric that declares one, or rank by one column.",
            )

    def quality(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """(n,) quality of some rows, in [0, 1], higher is better; NaN where every column is."""
        names = sorted(n for n in self.columns if self.directions[n] != "none")
        ranks = np.stack(
            [percentiles_in(columns[n], self.columns[n], self.directions[n]) for n in names]
        )
        there = ~np.isnan(ranks)
        total = np.where(there, ranks, 0.0).sum(axis=0)
        count = there.sum(axis=0)
        return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)


def fixed_floors(floors: Iterable[Floor], columns: Mapping[str, np.ndarray]) -> list[Floor]:
    """Floors whose quantiles are taken from a reference, so that a batch does not move them.

    A floor on a quantile of nothing is left out.

    Args:
        floors: As they are applied to the reference.
        columns: The reference's readable values.
    """
    return [fixed for floor in floors if (fixed := _fixed(floor, columns)) is not None]


def _fixed(floor: Floor, columns: Mapping[str, np.ndarray]) -> Floor | None:
    when = floor.when
    if when is not None:
        when = _fixed(when, columns)
        if when is None:
            return None
    if not floor.quantile:
        return replace(floor, when=when)
    limit = floor.limit(columns[floor.column])
    if np.isnan(limit):
        return None
    said = f"the {floor.threshold:.0%} quantile of the reference is the limit"
    reason = f"{floor.reason} ({said})" if floor.reason else said
    return replace(floor, threshold=limit, quantile=False, when=when, reason=reason)


def out_of_range(
    columns: Mapping[str, np.ndarray], reference: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Share of a row's numbers that lie outside what the reference holds.

    Args:
        columns: Name to (n,) values.
        reference: Name to (m,) values; columns that are not there do not count.

    Returns:
        (n,) in [0, 1]; NaN for rows without any number.
    """
    outside = known = None
    for name in columns.keys() & reference.keys():
        stored = reference[name][~np.isnan(reference[name])]
        if not len(stored):
            continue
        there = ~np.isnan(columns[name])
        beyond = there & ((columns[name] < stored.min()) | (columns[name] > stored.max()))
        outside = beyond.astype(np.int64) + (0 if outside is None else outside)
        known = there.astype(np.int64) + (0 if known is None else known)
    n = len(next(iter(columns.values()))) if columns else 0
    if outside is None or known is None:
        return np.full(n, np.nan)
    return np.divide(outside, known, out=np.full(n, np.nan), where=known > 0)
