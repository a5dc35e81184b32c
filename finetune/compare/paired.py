"""Is one arm better than another? Differences over seeds and over target images, both paired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 50_000
"""Ends of an interval then move by 0.3 % of its width from one seed of the bootstrap to another."""
LEVEL = 0.05
"""A corrected p at or above it is not called better or worse."""
_AT_ONCE = 2**20
"""Drawn images held in memory at a time."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Arm minus baseline, in log-likelihood per response token; above 0 the arm is better.

    Attributes:
        value: Mean over seeds.
        error: Standard error of that mean over seeds; NaN with one seed.
        low: Lower end of the 95 % t interval over seeds, on this very target.
        high: Upper end.
        p: Two-sided p of the paired t test over seeds.
        low_both: Lower end of the 95 % interval over seeds and target images, both drawn anew:
            what would be seen on another target of the kind. With one seed: over images alone;
            with one image: NaN.
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
        """In words; both intervals must agree. Its p is not looked at: see :func:`verdict_of`."""
        if self.seeds < 2 or not np.isfinite(self.low):
            return "one seed: cannot be told"
        if not np.isfinite(self.low_both):
            return "one image: cannot be told"
        if self.low > 0 and self.low_both > 0:
            return "better"
        if self.high < 0 and self.high_both < 0:
            return "worse"
        return "no better"


def verdict_of(found: Difference, p: float) -> str:
    """In words; both intervals and the corrected p must agree.

    Args:
        found: One of several differences.
        p: Its p, corrected for their number, see :func:`holm`.
    """
    told = found.verdict
    return "no better" if told in ("better", "worse") and not p < LEVEL else told


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
    error = float(each.std(ddof=1) / np.sqrt(count)) if count > 1 else float("nan")
    low_both, high_both = _both(gains.mean(0), tokens, clusters, error, count, seed)
    if count < 2:
        nan = float("nan")
        return Difference(value, nan, nan, nan, nan, low_both, high_both, count)
    reach = float(student.ppf(0.975, count - 1)) * error
    if error > 0:
        p = float(2 * student.sf(abs(value) / error, count - 1))
    else:
        p = 1.0 if value == 0 else 0.0
    return Difference(value, error, value - reach, value + reach, p, low_both, high_both, count)


def _both(
    gains: np.ndarray,
    tokens: np.ndarray,
    clusters: Sequence[object],
    error: float,
    seeds: int,
    seed: int,
) -> tuple[float, float]:
    """95 % interval over images and seeds: a bootstrap of the images plus a t error of the seeds.

    Seeds are too few to be drawn from: resampling five of them gives a variance that is 4/5 of what
    it should be, and normal tails where t has heavy ones. So each draw is the gain on images drawn
    with replacement (seeds averaged), plus the standard error over seeds times a t of n - 1 degrees
    of freedom: the sum of two errors known unequally well, as in the test of Behrens and Fisher.
    What seeds and images do together counts in both parts, so that the interval is a little too
    wide; a bootstrap that draws both counts it three times (Owen, Ann. Appl. Stat. 2007).

    Args:
        gains: (t,) mean gain over seeds of each target sample.
        tokens: (t,) response tokens.
        clusters: t labels.
        error: Standard error over seeds; NaN is left out.
        seeds: How many.
        seed: Of the bootstrap.
    """
    from scipy.stats import t as student

    names, places = np.unique([str(label) for label in clusters], return_inverse=True)
    count = len(names)
    if count < 2:
        return float("nan"), float("nan")
    sums = np.bincount(places, weights=gains, minlength=count)
    sizes = np.bincount(places, weights=tokens, minlength=count)
    value = sums.sum() / sizes.sum()
    generator = np.random.default_rng(seed)
    found = np.empty(DRAWS)
    some = max(1, _AT_ONCE // count)
    for start in range(0, DRAWS, some):
        shape = (min(some, DRAWS - start), count)
        images = generator.integers(0, count, shape)
        found[start : start + some] = sums[images].sum(1) / sizes[images].sum(1)
    found = value + (found - value) * np.sqrt(count / (count - 1))
    if error > 0:
        even = student.ppf((np.arange(DRAWS) + 0.5) / DRAWS, seeds - 1)
        found += error * generator.permutation(even)
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
