"""The consensus of a reference for rows outside it: the same percentiles, the same floors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from data_cards.errors import BadInputError
from scoring.metric import Direction
from scoring.quality.consensus import mean_of_known, percentile_among
from scoring.quality.floors import Floor


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

    @cached_property
    def _sorted(self) -> dict[str, np.ndarray]:
        """The known values of each column that counts, best last."""
        found = {}
        for name in sorted(n for n in self.columns if self.directions[n] != "none"):
            values = self._signed(name, self.columns[name])
            found[name] = np.sort(values[~np.isnan(values)])
        return found

    def _signed(self, name: str, values: np.ndarray) -> np.ndarray:
        sign = 1.0 if self.directions[name] == "higher" else -1.0
        return sign * np.asarray(values, dtype=np.float64)

    def quality(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """(n,) quality of some rows, in [0, 1], higher is better; NaN where every column is."""
        return mean_of_known(
            [
                percentile_among(known, self._signed(name, columns[name]))
                for name, known in self._sorted.items()
            ]
        )


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


def ranges_of(reference: Mapping[str, np.ndarray]) -> dict[str, tuple[float, float]]:
    """Smallest and largest value of each column that has any."""
    known = {name: values[~np.isnan(values)] for name, values in reference.items()}
    return {name: (v.min(), v.max()) for name, v in known.items() if len(v)}


def beyond_ranges(
    columns: Mapping[str, np.ndarray], ranges: Mapping[str, tuple[float, float]]
) -> np.ndarray:
    """Share of a row's numbers that lie outside what the reference holds.

    Args:
        columns: Name to (n,) values.
        ranges: See :func:`ranges_of`; columns that are not there do not count.

    Returns:
        (n,) in [0, 1]; NaN for rows without any number.
    """
    outside = known = None
    for name in columns.keys() & ranges.keys():
        least, most = ranges[name]
        there = ~np.isnan(columns[name])
        beyond = there & ((columns[name] < least) | (columns[name] > most))
        outside = beyond.astype(np.int64) + (0 if outside is None else outside)
        known = there.astype(np.int64) + (0 if known is None else known)
    n = len(next(iter(columns.values()))) if columns else 0
    if outside is None or known is None:
        return np.full(n, np.nan)
    return np.divide(outside, known, out=np.full(n, np.nan), where=known > 0)
