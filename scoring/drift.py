"""How far a batch has drifted from a reference, beyond what chance explains.

The threshold has a meaning. Every measure gives a p-value under "the batch was drawn from the
reference", all p-values are corrected together by Holm's method, and a measure counts as drifted
below :data:`ALPHA`: a batch of this size that was drawn from the reference shows any drift in
fewer than 1 of 100 draws. Rows that come in groups (many questions on one picture) drift more
easily: the comparison is with single rows drawn at random.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

import numpy as np

ALPHA = 0.01
SMALLEST = 20
"""Rows below which a batch is too small to tell."""
SAMPLE = 400
"""Rows of either side in the test of the embedding space."""
FAR = 0.99
_BLOCK = 2_000
_WORDS = ((0.147, "negligible"), (0.33, "small"), (0.474, "medium"), (np.inf, "large"))


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure of a batch beside the reference.

    Attributes:
        name: Column, or what of the embedding space.
        kind: ``"metric"``, ``"space"`` (energy distance) or ``"far"`` (share of far rows).
        statistic: Largest gap between the two distribution functions, in [0, 1] (metric); energy
            distance (space); share of the batch (far).
        expected: What chance gives at most in 99 of 100 batches, over all measures together
            (metric); mean over the permutations (space); share of the reference (far).
        p_value: Of this measure alone.
        adjusted: The same after Holm's correction over all measures.
        effect: Cliff's delta, in [-1, 1]: how much oftener a row of the batch is above one of
            the reference than below; ``None`` for the space.
        reference: Median of the reference; ``None`` where it says nothing.
        batch: Median of the batch.
    """

    name: str
    kind: str
    statistic: float
    expected: float
    p_value: float
    adjusted: float
    effect: float | None = None
    reference: float | None = None
    batch: float | None = None

    @property
    def drifted(self) -> bool:
        """Whether chance does not explain it."""
        return self.adjusted < ALPHA

    @property
    def words(self) -> str:
        """The measure, and where it has gone, for people."""
        if self.effect is None or self.kind != "metric":
            return self.name
        size = next(word for bound, word in _WORDS if abs(self.effect) < bound)
        way = "higher" if self.effect > 0 else "lower"
        return f"{self.name} ({way}, {size})" if size != "negligible" else f"{self.name} (shape)"


@dataclass(frozen=True, slots=True)
class Drift:
    """The answer for a batch.

    Attributes:
        rows: Readable rows of the batch.
        reference_rows: Readable rows of the reference.
        measures: By p-value, smallest first; empty where the batch is too small.
    """

    rows: int
    reference_rows: int
    measures: tuple[Measure, ...]

    @property
    def drifted(self) -> list[Measure]:
        """The measures that chance does not explain."""
        return [measure for measure in self.measures if measure.drifted]

    @property
    def sentence(self) -> str:
        """The outcome in plain words."""
        if not self.measures:
            return (
                f"Too few rows to tell a drift: {self.rows:,} readable ones in the batch, "
                f"{self.reference_rows:,} in the reference ({SMALLEST} each are needed)."
            )
        rule = f"1 in {round(1 / ALPHA)} batches of {self.rows:,} rows drawn from the reference"
        if not self.drifted:
            return f"No drift that chance does not explain: fewer than {rule} would be called one."
        names = ", ".join(measure.words for measure in self.drifted)
        return f"Drifted: {names}. Fewer than {rule} show so large a drift."

    def as_dict(self) -> dict[str, Any]:
        """For ``drift.json``."""
        return {
            "sentence": self.sentence,
            "drifted": [measure.name for measure in self.drifted],
            "alpha": ALPHA,
            "correction": "Holm, over all measures",
            "rows": self.rows,
            "reference_rows": self.reference_rows,
            "measures": [asdict(m) | {"drifted": m.drifted} for m in self.measures],
        }


def measure_drift(
    reference: Mapping[str, np.ndarray],
    batch: Mapping[str, np.ndarray],
    *,
    vectors: tuple[np.ndarray, np.ndarray] | None = None,
    distance: str | None = "nearest_distance",
    seed: int = 0,
) -> Drift:
    """Hold a batch against a reference, measure by measure.

    Args:
        reference: Name to (m,) values, NaN where missing; readable rows only.
        batch: The same for the batch, (n,); columns that only one side has are left out.
        vectors: Unit rows of a sample of the reference and of the batch, for the energy
            distance; ``None`` where there is no embedding.
        distance: The column whose large values are "far"; ``None``: not looked at.
        seed: Of the permutations.

    Returns:
        The drift; without measures where either side has fewer than :data:`SMALLEST` rows.
    """
    names = [name for name in reference if name in batch]
    sizes = [len(next(iter(side.values()), ())) for side in (reference, batch)]
    if min(sizes) < SMALLEST or not names:
        return Drift(sizes[1], sizes[0], ())
    count = len(names) + (vectors is not None) + (distance in names)
    found = [_metric(name, reference[name], batch[name], count) for name in names]
    if distance is not None and distance in names:
        far = _far(reference[distance], batch[distance])
        found += [far] if far is not None else []
    if vectors is not None and min(map(len, vectors)) >= SMALLEST:
        found.append(_space(*vectors, permutations=ceil(2 * count / ALPHA), seed=seed))
    adjusted = holm([measure.p_value for measure in found])
    measures = [
        Measure(**(asdict(measure) | {"adjusted": float(p)}))
        for measure, p in zip(found, adjusted, strict=True)
    ]
    measures.sort(key=lambda m: (m.adjusted, m.p_value, -m.statistic, m.name))
    return Drift(sizes[1], sizes[0], tuple(measures))


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's step-down correction: controls the chance of any false alarm, however dependent.

    Args:
        p_values: k values.

    Returns:
        (k,) adjusted values in [0, 1]: the i-th smallest times k − i + 1, made monotone.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def energy_test(
    first: np.ndarray, second: np.ndarray, *, permutations: int, seed: int
) -> tuple[float, float, float]:
    """Energy distance of two samples of unit vectors and its permutation p-value.

    E = 2 mean |x − y| − mean |x − x'| − mean |y − y'|, 0 for equal distributions (Székely and
    Rizzo, 2004). With weights w = 1/n on one sample and −1/m on the other, E = −wᵀ D w, so that
    thousands of permutations are one matrix product.

    Args:
        first: (m, d) unit rows.
        second: (n, d) unit rows.
        permutations: How often the rows are dealt out anew.
        seed: Of the dealing.

    Returns:
        E, its mean over the permutations, and (1 + permutations at least as large) / (1 +
        permutations).
    """
    both = np.concatenate([first, second]).astype(np.float64)
    distances = np.sqrt(np.maximum(2.0 - 2.0 * (both @ both.T), 0.0)).astype(np.float32)
    np.fill_diagonal(distances, 0.0)
    weights = np.concatenate(
        [np.full(len(first), 1 / len(first)), np.full(len(second), -1 / len(second))]
    ).astype(np.float32)
    value = float(-weights @ distances @ weights)
    rng = np.random.default_rng(seed)
    total, larger = 0.0, 0
    for start in range(0, permutations, _BLOCK):
        dealt = rng.permuted(
            np.broadcast_to(weights, (min(_BLOCK, permutations - start), len(weights))), axis=1
        )
        energies = -np.einsum("ij,ij->i", dealt @ distances, dealt)
        total += float(energies.sum())
        larger += int((energies >= value - 1e-7).sum())
    return value, total / permutations, (1 + larger) / (1 + permutations)


def cliffs_delta(reference: np.ndarray, batch: np.ndarray) -> float:
    """P(batch > reference) − P(batch < reference), ties halved out; 0 without values."""
    stored = np.sort(reference[~np.isnan(reference)])
    values = batch[~np.isnan(batch)]
    if not len(stored) or not len(values):
        return 0.0
    below = np.searchsorted(stored, values, side="left")
    above = len(stored) - np.searchsorted(stored, values, side="right")
    return float((below - above).mean() / len(stored))


def _metric(name: str, reference: np.ndarray, batch: np.ndarray, count: int) -> Measure:
    """Two-sample Kolmogorov-Smirnov; a missing value counts as the smallest there is."""
    from scipy.stats import ks_2samp, kstwobign

    sides = [np.where(np.isnan(side), -np.inf, side) for side in (reference, batch)]
    test = ks_2samp(*sides, method="asymp")
    effective = len(batch) * len(reference) / (len(batch) + len(reference))
    medians = [
        float(np.nanmedian(s)) if not np.isnan(s).all() else None for s in (reference, batch)
    ]
    return Measure(
        name,
        "metric",
        float(test.statistic),
        min(1.0, float(kstwobign.isf(ALPHA / count) / np.sqrt(effective))),
        float(test.pvalue),
        1.0,
        cliffs_delta(reference, batch),
        *medians,
    )


def _far(reference: np.ndarray, batch: np.ndarray) -> Measure | None:
    """Rows beyond the reference's own 99 % quantile: exact, also for a small reference.

    If r rows of the reference and k of the batch are at least as far, then among the k + r − 1
    farthest of all at least k are of the batch: a hypergeometric tail, as both came from one urn.
    """
    from scipy.stats import hypergeom

    stored, values = reference[~np.isnan(reference)], batch[~np.isnan(batch)]
    if len(stored) < SMALLEST or len(values) < SMALLEST:
        return None
    limit = float(np.quantile(stored, FAR, method="inverted_cdf"))
    reached = int((stored >= limit).sum())
    beyond = int((values > limit).sum())
    p = 1.0
    if beyond:
        drawn = beyond + reached - 1
        p = float(hypergeom.sf(beyond - 1, len(stored) + len(values), len(values), drawn))
    return Measure(
        f"rows farther from the reference than its own {FAR:.0%} quantile",
        "far",
        beyond / len(values),
        float((stored > limit).mean()),
        p,
        1.0,
    )


def _space(reference: np.ndarray, batch: np.ndarray, *, permutations: int, seed: int) -> Measure:
    value, mean, p = energy_test(reference, batch, permutations=permutations, seed=seed)
    return Measure("embedding space (energy distance)", "space", value, mean, p, 1.0)
