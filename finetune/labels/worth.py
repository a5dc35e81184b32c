"""What labels are worth: do they foretell trainings that nobody has looked at yet?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 2000
FEWEST = 8
"""Fresh subsets below which no interval is given: resampling so few looks certain and is not."""


@dataclass(frozen=True, slots=True)
class Worth:
    """Linear datamodelling score (Park et al., "TRAK", ICML 2023, section 2).

    Attributes:
        score: Spearman correlation of predicted and real outcomes of fresh random subsets; NaN
            where the predictions are all the same, as those of the mean are.
        low: Lower end of its 95 % interval, subsets drawn anew (percentile bootstrap); NaN with
            fewer than :data:`FEWEST`.
        high: Upper end.
        subsets: How many.
        ceiling: Highest score to be expected of a perfect prediction, since each outcome is also
            chance: the square root of the reliability; ``None`` where that is not known.
    """

    score: float
    low: float
    high: float
    subsets: int
    ceiling: float | None = None


def worth(
    scores: np.ndarray,
    groups: Sequence[np.ndarray],
    outcomes: np.ndarray,
    *,
    seed: int = 0,
    ceiling: float | None = None,
) -> Worth:
    """Hold scores of samples against outcomes of trainings on fresh subsets.

    Args:
        scores: (n,) score of each sample, higher is better; a subset's is their mean. NaN: unknown;
            such samples do not count.
        groups: r arrays of row positions.
        outcomes: (r,) what training on each gave, higher is better.
        seed: Of the bootstrap.
        ceiling: See :class:`Worth`.
    """
    predicted = np.array([_mean(scores[rows]) for rows in groups])
    outcomes = np.asarray(outcomes, np.float64)
    known = np.isfinite(predicted) & np.isfinite(outcomes)
    predicted, outcomes = predicted[known], outcomes[known]
    score = spearman(predicted, outcomes)
    count = len(outcomes)
    if not np.isfinite(score) or count < FEWEST:
        return Worth(score, float("nan"), float("nan"), count, ceiling)
    places = np.random.default_rng(seed).integers(0, count, (DRAWS, count))
    drawn = np.array([spearman(predicted[rows], outcomes[rows]) for rows in places])
    low, high = np.nanpercentile(drawn, (2.5, 97.5))
    return Worth(score, float(low), float(high), count, ceiling)


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Rank correlation, ties at their mean rank; NaN where either does not vary."""
    from scipy.stats import rankdata

    a, b = rankdata(first), rankdata(second)
    a, b = a - a.mean(), b - b.mean()
    size = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size > 0 else float("nan")


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
