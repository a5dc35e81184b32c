"""How much of the variation of outcomes is the groups', and how much is chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Reliability:
    """One-way random effects: outcome = mean + group + seed.

    Attributes:
        value: Variance between groups over total variance of a single outcome, intraclass
            correlation ICC(1) (Shrout & Fleiss, Psychological Bulletin 1979). It is the highest R²
            that any prediction of single outcomes can reach. Not cut at 0: an estimate below 0
            says that none is seen.
        low: Lower end of the 95 % interval (F distribution, ibid.); ``None`` if there are too few.
        high: Upper end.
        groups: Groups that were trained more than once.
        outcomes: Their outcomes in all.
        between: Standard deviation of the groups' own part; 0 where the estimate is negative.
        within: Standard deviation over repeats of one group.
    """

    value: float
    low: float | None
    high: float | None
    groups: int
    outcomes: int
    between: float
    within: float


def reliability(repeats: Sequence[np.ndarray], level: float = 0.95) -> Reliability | None:
    """Reliability of a single outcome from repeated trainings.

    Args:
        repeats: Outcomes of one group under several seeds, for each group; groups with one outcome
            do not count.
        level: Of the interval.

    Returns:
        The estimate; ``None`` with fewer than two groups of two outcomes.
    """
    from scipy.stats import f

    rows = [np.asarray(values, np.float64) for values in repeats if len(values) > 1]
    if len(rows) < 2:
        return None
    sizes = np.array([len(row) for row in rows])
    total, k = int(sizes.sum()), len(rows)
    grand = np.concatenate(rows).mean()
    between = sum(n * (row.mean() - grand) ** 2 for n, row in zip(sizes, rows, strict=True))
    within = sum(((row - row.mean()) ** 2).sum() for row in rows) / (total - k)
    between = between / (k - 1)
    size = (total - (sizes**2).sum() / total) / (k - 1)
    if within == 0:
        alone = between > 0
        value = 1.0 if alone else 0.0
        own = float(np.sqrt(between / size))
        return Reliability(value, None, None, k, total, own, 0.0)
    ratio = between / within
    tail = (1 - level) / 2
    low_f = ratio / f.ppf(1 - tail, k - 1, total - k)
    high_f = ratio * f.ppf(1 - tail, total - k, k - 1)
    own = max(0.0, (between - within) / size)
    return Reliability(
        value=float((ratio - 1) / (ratio + size - 1)),
        low=float((low_f - 1) / (low_f + size - 1)),
        high=float((high_f - 1) / (high_f + size - 1)),
        groups=k,
        outcomes=total,
        between=float(np.sqrt(own)),
        within=float(np.sqrt(within)),
    )
