"""Is one arm better than another? Differences over seeds and over target images, both paired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 4000


@dataclass(frozen=True, slots=True)
class Difference:
    """Arm minus baseline, in log-likelihood per response token; above 0 the arm is better.

    Attributes:
        value: Mean over seeds.
        error: Standard error of that mean over seeds; NaN with one seed.
        low: Lower end of the 95 % t interval over seeds, on this very target.
        high: Upper end.
        p: Two-sided p of the paired t test over seeds.
        low_both: Lower end of the 95 % bootstrap interval in which seeds and target images are both
            drawn anew: what would be seen on another target of the kind.
        high_both: Upper end.
        seeds: How many.
    """

    value: float
    error: float
    low: float
    high: float
    p: float
    low_both: float
    high_both: float
    seeds: int

    @property
    def verdict(self) -> str:
        """In words; both intervals must agree."""
        if self.seeds < 2 or not np.isfinite(self.low):
            return "one seed: cannot be told"
        if self.low > 0 and self.low_both > 0:
            return "better"
        if self.high < 0 and self.high_both < 0:
            return "worse"
        return "no better"


def difference(
    arm: np.ndarray,
    baseline: np.ndarray,
    tokens: np.ndarray,
    clusters: Sequence[object],
    *,
    seed: int = 0,
) -> Difference:
    """Compare two arms trained under the same seeds and measured on the same target.

    Args:
        arm: (s, t) summed loss of each target sample for each seed, in nats.
        baseline: (s, t) likewise, seed by seed.
        tokens: (t,) response tokens.
        clusters: t labels; samples of one image have the same.
        seed: Of the bootstrap.
    """
    from scipy.stats import t as student

    gains = np.asarray(baseline, np.float64) - arm  # a lower loss is better
    each = gains.sum(1) / tokens.sum()
    count = len(each)
    value = float(each.mean())
    low_both, high_both = _both(gains, tokens, clusters, seed)
    if count < 2:
        nan = float("nan")
        return Difference(value, nan, nan, nan, nan, low_both, high_both, count)
    error = float(each.std(ddof=1) / np.sqrt(count))
    reach = float(student.ppf(0.975, count - 1)) * error
    if error > 0:
        p = float(2 * student.sf(abs(value) / error, count - 1))
    else:
        p = 1.0 if value == 0 else 0.0
    return Difference(value, error, value - reach, value + reach, p, low_both, high_both, count)


def _both(
    gains: np.ndarray, tokens: np.ndarray, clusters: Sequence[object], seed: int
) -> tuple[float, float]:
    names, places = np.unique([str(label) for label in clusters], return_inverse=True)
    sums = np.zeros((len(gains), len(names)))
    sizes = np.bincount(places, weights=tokens, minlength=len(names))
    for row, gain in enumerate(gains):
        sums[row] = np.bincount(places, weights=gain, minlength=len(names))
    generator = np.random.default_rng(seed)
    found = np.empty(DRAWS)
    for draw in range(DRAWS):
        images = generator.integers(0, len(names), len(names))
        seeds = generator.integers(0, len(gains), len(gains))
        found[draw] = sums[seeds][:, images].sum() / (len(gains) * sizes[images].sum())
    low, high = np.percentile(found, (2.5, 97.5))
    return float(low), float(high)


def holm(values: Sequence[float]) -> list[float]:
    """P values corrected for their number (Holm, Scand. J. Statist. 1979); NaN stays."""
    known = sorted((p, place) for place, p in enumerate(values) if np.isfinite(p))
    found = [float("nan")] * len(values)
    worst = 0.0
    for rank, (p, place) in enumerate(known):
        worst = max(worst, min(1.0, p * (len(known) - rank)))
        found[place] = worst
    return found
