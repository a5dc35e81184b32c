"""What the regressors are fitted on: prepared features of samples, grouped into labelled units."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from scoring.quality.consensus import percentile_among
from scoring.quality.labels import Labels


@dataclass(frozen=True)
class Design:
    """Features of n samples that make up u labelled units, in an order of their own.

    Attributes:
        rows: (n, k) prepared features, no NaN; the samples of a unit stand together.
        unit: (n,) the unit of each row, ascending from 0.
        labels: (u,) the labels.
        weights: (u,) positive weights.
        blocks: u names; see :class:`~scoring.quality.labels.Labels`.
        grouped: Whether a unit can hold several samples.
        signs: (k,) 1 where a learned score may only rise with the feature, else 0; ``None``: it
            may do as it likes everywhere.
    """

    rows: np.ndarray
    unit: np.ndarray
    labels: np.ndarray
    weights: np.ndarray
    blocks: tuple[str, ...]
    grouped: bool
    signs: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def sizes(self) -> np.ndarray:
        """(u,) samples per unit."""
        return np.bincount(self.unit, minlength=len(self))

    @cached_property
    def means(self) -> np.ndarray:
        """(u, k) mean features of each unit."""
        return self.pool(self.rows)

    def pool(self, values: np.ndarray) -> np.ndarray:
        """Mean of row values, (n,) or (n, k), over the samples of each unit."""
        if not self.grouped:
            return values
        starts = np.concatenate([[0], np.cumsum(self.sizes)[:-1]])
        sums = np.add.reduceat(values, starts, axis=0)
        return sums / (self.sizes if values.ndim == 1 else self.sizes[:, None])

    def relabelled(self, labels: np.ndarray) -> Design:
        """The same samples under other labels."""
        return replace(self, labels=labels)


def prepare(
    values: np.ndarray,
    components: int | None = None,
    pools: Mapping[int, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """Fit what is done to features before any regressor: percentiles, fill, standardise, reduce.

    Fitted once, on all labelled samples, and only applied afterwards. It sees no label, so that
    cross-validation is not spoilt by it.

    Args:
        values: (n, d) raw features, NaN where missing.
        components: Principal components to keep; ``None``: no reduction.
        pools: Place of a feature to the values of the whole pool, among which it is turned into
            a percentile: a few extreme values then weigh no more than their rank.

    Returns:
        ``fill``, ``center``, ``scale`` (d,) each, ``rotation`` (d, components) if asked for, and
        ``percentile.C`` with the sorted pool of feature C.
    """
    tables = {
        f"percentile.{c}": np.sort(pool[~np.isnan(pool)])
        for c, pool in (pools or {}).items()
        if not np.isnan(pool).all()
    }
    values = _percentiles(tables, values)
    there = ~np.isnan(values)
    count = np.maximum(there.sum(axis=0), 1)
    fill = np.where(there, values, 0.0).sum(axis=0) / count
    filled = np.where(there, values, fill)
    scale = filled.std(axis=0)
    # a constant column, up to rounding, says nothing; dividing by its rounding error would
    scale[scale <= 1e-12 * np.maximum(np.abs(fill), 1e-300)] = 1.0
    fitted = {"fill": fill, "center": fill.copy(), "scale": scale, **tables}
    if components is not None:
        from sklearn.decomposition import PCA

        pca = PCA(components, svd_solver="full").fit((filled - fill) / scale)
        fitted["rotation"] = np.ascontiguousarray(pca.components_.T, dtype=np.float64)
    return fitted


def apply_preparation(fitted: Mapping[str, np.ndarray], values: np.ndarray) -> np.ndarray:
    """Prepare (n, d) raw features as :func:`prepare` learned it: (n, k), no NaN."""
    values = _percentiles(fitted, values)
    filled = np.where(np.isnan(values), fitted["fill"], values)
    scaled = (filled - fitted["center"]) / fitted["scale"]
    if "rotation" not in fitted:
        return scaled
    return np.einsum("nd,dk->nk", scaled, fitted["rotation"])


def _percentiles(fitted: Mapping[str, np.ndarray], values: np.ndarray) -> np.ndarray:
    tables = {name: known for name, known in fitted.items() if name.startswith("percentile.")}
    if not tables:
        return values
    values = values.copy()
    for name, known in tables.items():
        c = int(name.removeprefix("percentile."))
        values[:, c] = percentile_among(known, values[:, c])
    return values


def make_design(
    values: np.ndarray,
    labels: Labels,
    fitted: Mapping[str, np.ndarray],
    signs: np.ndarray | None = None,
) -> Design:
    """The design of a run's (N, d) raw features under its labels, with (d,) signs if any.

    Percentiles and scales keep the order of a feature; a rotation does not, and drops the signs.

    Units stand in the order of their names and samples in the order of their ids, so that the
    order of the run's rows has no influence.
    """
    rows = np.concatenate(labels.members)
    unit = np.repeat(np.arange(len(labels)), [len(m) for m in labels.members])
    return Design(
        apply_preparation(fitted, values[rows]),
        unit,
        labels.values,
        labels.weights,
        labels.blocks,
        labels.grouped,
        None if "rotation" in fitted else signs,
    )


def make_folds(blocks: Sequence[str], count: int, seed: int) -> np.ndarray:
    """Fold of each unit, from 0 up; units of one block share a fold.

    Larger blocks are placed first, each into the smallest fold so far; equal ones in the order of
    a hash of seed and name, so that the order of the units has no influence.

    Args:
        blocks: u names.
        count: Folds; at most the number of distinct blocks is used.
        seed: Varies the hash.

    Returns:
        (u,) whole numbers below ``min(count, distinct blocks)``.
    """
    return _folds(tuple(blocks), count, seed)


@lru_cache(maxsize=256)
def _folds(blocks: tuple[str, ...], count: int, seed: int) -> np.ndarray:
    sizes: dict[str, int] = {}
    for block in blocks:
        sizes[block] = sizes.get(block, 0) + 1
    order = sorted(
        sizes, key=lambda b: (-sizes[b], hashlib.sha256(f"{seed}:{b}".encode()).hexdigest())
    )
    filled = [0] * min(count, len(order))
    home: dict[str, int] = {}
    for block in order:
        home[block] = int(np.argmin(filled))
        filled[home[block]] += sizes[block]
    folds = np.array([home[block] for block in blocks], np.int64)
    folds.flags.writeable = False
    return folds
