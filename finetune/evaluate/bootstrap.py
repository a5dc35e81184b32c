"""Percentile bootstrap over images: how far a figure moves when other images had been drawn."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

_CELLS = 4_000_000
"""Drawn places held at once."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval.

    Attributes:
        value: The statistic on all samples; NaN if there is none.
        low: Lower end of the interval; ``None`` with fewer than two clusters.
        high: Upper end.
        samples: Samples that count.
        clusters: Independent groups among them (images; a sample without one counts by itself).
    """

    value: float
    low: float | None
    high: float | None
    samples: int
    clusters: int


def bootstrap(
    parts: np.ndarray,
    clusters: Sequence[Hashable],
    statistic: Callable[[np.ndarray], np.ndarray],
    *,
    draws: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """Percentile interval of a function of sums, drawing whole clusters with replacement.

    Samples that share an image are not independent, so they are drawn together (cluster
    bootstrap; Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 8 and 13).
    Percentiles are too narrow where clusters are few; they are taken further out as Student's t
    is from the normal distribution (Hesterberg, "What Teachers Should Know About the Bootstrap",
    The American Statistician 69, 2015, section 5.2.2).

    Args:
        parts: (n, m) finite numbers per sample, e.g. summed losses and tokens.
        clusters: n labels; equal ones are drawn together. Their order has no influence.
        statistic: (k, m) sums over samples to (k,) values, e.g. ``ratio``.
        draws: Resamples.
        seed: Of the resampling.
        level: Share of the resamples inside the interval.

    Returns:
        The estimate on all samples with its interval.
    """
    parts = np.asarray(parts, np.float64)
    if len(parts) == 0:
        return Estimate(float("nan"), None, None, 0, 0)
    sums = _sums(parts, clusters)
    value = float(statistic(parts.sum(axis=0, keepdims=True))[0])
    if len(sums) < 2:
        return Estimate(value, None, None, len(parts), len(sums))
    generator = np.random.default_rng(seed)
    found = []
    step = max(1, _CELLS // len(sums))
    for start in range(0, draws, step):
        places = generator.integers(0, len(sums), (min(step, draws - start), len(sums)))
        drawn = np.stack([column[places].sum(axis=1) for column in sums.T], axis=1)
        found.append(statistic(drawn))
    values = np.concatenate(found)
    values = values[np.isfinite(values)]
    tail = _tail(level, len(sums))
    low, high = (float(v) for v in np.quantile(values, [tail, 1 - tail]))
    return Estimate(value, low, high, len(parts), len(sums))


def ratio(sums: np.ndarray) -> np.ndarray:
    """First sum over second, e.g. loss per token; NaN where the second is zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(sums[:, 0] / sums[:, 1])


def ratio_difference(sums: np.ndarray) -> np.ndarray:
    """First over second minus third over fourth: two ratios on the same resamples."""
    return ratio(sums[:, :2]) - ratio(sums[:, 2:4])


def mean(values: np.ndarray, clusters: Sequence[Hashable], **options: float) -> Estimate:
    """Mean of n values; options as in :func:`bootstrap`.

    Where all values are the same 0 or 1, resampling cannot move them, and the exact binomial
    interval over clusters stands in (Clopper & Pearson 1934).
    """
    values = np.asarray(values, np.float64)
    pairs = np.column_stack([values, np.ones(len(values))])
    found = bootstrap(pairs, clusters, ratio, **options)  # type: ignore[arg-type]
    level = float(options.get("level", 0.95))
    if found.clusters >= 2 and found.value in (0.0, 1.0) and set(values) <= {0.0, 1.0}:
        far = never(found.clusters, level)
        low, high = (0.0, far) if found.value == 0 else (1 - far, 1.0)
        return Estimate(found.value, low, high, found.samples, found.clusters)
    return found


def never(clusters: int, level: float = 0.95) -> float:
    """How often what was seen in none of the clusters may happen all the same.

    Upper end of the exact two-sided binomial interval (Clopper & Pearson 1934).
    """
    return float(1 - ((1 - level) / 2) ** (1 / clusters))


def _tail(level: float, clusters: int) -> float:
    """Share of the resamples below the interval; a little less than (1 - level) / 2."""
    from scipy.stats import norm, t

    far = t.ppf((1 + level) / 2, clusters - 1) * (clusters / (clusters - 1)) ** 0.5
    return float(norm.sf(far))


def shared_images(images: Sequence[Sequence[Hashable]], ids: Sequence[Hashable]) -> list[Hashable]:
    """Labels that samples have in common if they share an image, directly or by way of others.

    Args:
        images: The images of each sample; without any it stands by itself.
        ids: Of the samples, distinct.
    """
    parent: dict[Hashable, Hashable] = {}

    def root(item: Hashable) -> Hashable:
        while parent.setdefault(item, item) != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for row in images:
        for other in row[1:]:
            # The smaller label stands for both, so that the order of the samples does not matter.
            first, second = sorted((root(("image", other)), root(("image", row[0]))), key=repr)
            parent[second] = first
    return [
        root(("image", row[0])) if row else ("sample", id_)
        for row, id_ in zip(images, ids, strict=True)
    ]


def _sums(parts: np.ndarray, clusters: Sequence[Hashable]) -> np.ndarray:
    """(clusters, m) sums, in an order that does not depend on that of the samples."""
    places: dict[Hashable, int] = {}
    where = np.array([places.setdefault(label, len(places)) for label in clusters])
    sums = np.zeros((len(places), parts.shape[1]))
    np.add.at(sums, where, parts)
    order = sorted(range(len(places)), key=[repr(label) for label in places].__getitem__)
    return sums[order]
