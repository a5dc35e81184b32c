"""Where a sample lies: image and response embeddings, reduced by a PCA that is fitted once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from scoring.metric import Column, MetricSpec, Models, Pool, Scores, register
from scoring.metrics.pool_vectors import hash_order, unit_rows, usable_rows

COMPONENTS = 6
_SAMPLE = 8_000
_CHUNK = 2_048
_BLOCK = 1_024


@register
class Embedding:
    """Principal components of the pool, fitted once and stored with the run."""

    version: ClassVar[int] = 2
    spec: ClassVar[MetricSpec] = MetricSpec(
        name="embedding",
        summary=f"The first {COMPONENTS} principal components of image and of response vectors.",
        formula=(
            "z = (v − mean) Cᵀ, C the eigenvectors of the covariance with the largest "
            f"eigenvalues, of at most {_SAMPLE:,} rows (those whose ids hash lowest); the sign "
            "makes each component's largest entry positive; not rescaled. mean, C and the "
            "components' standard deviations are stored with the run, so that later rows can be "
            "projected the same way."
        ),
        columns=tuple(
            Column(f"{side}_pca_{i}", f"{side} vector along principal axis {i}")
            for side in ("image", "text")
            for i in range(1, COMPONENTS + 1)
        ),
        needs=frozenset({"pool", "image_embedding", "text_embedding"}),
        cost="one pass over the vectors; memory does not grow with the pool",
        source=(
            "six components each as in Wei et al., InstructionGPT-4 (arXiv 2308.12067), whose "
            "code fits one PCA per training group and another at inference; here it is one"
        ),
    )

    def __init__(self, models: Models) -> None:
        self._encoder = models.encoder

    def parameters(self) -> Mapping[str, Any]:
        """The encoder's key, and the sizes."""
        key = self._encoder.key if self._encoder is not None else None
        return {"encoder": key, "components": COMPONENTS, "sample": _SAMPLE}

    def score(self, pool: Pool) -> Scores:
        """Fit on the pool and project it; axes that the pool does not span are null."""
        n = len(pool.ids)
        columns: dict[str, np.ndarray] = {}
        missing: list[list[str]] = [[] for _ in range(n)]
        for side, matrix in (("image", pool.image_embedding), ("text", pool.text_embedding)):
            usable = usable_rows(matrix, pool.status)
            z = np.full((n, COMPONENTS), np.nan, dtype=np.float32)
            if matrix is not None and usable.sum() >= 2:
                mean, components, deviation = fit_pca(matrix, usable, pool)
                pool.artefacts[f"{side}_pca_mean"] = mean
                pool.artefacts[f"{side}_pca_components"] = components
                pool.artefacts[f"{side}_pca_std"] = deviation
                z = project(matrix, usable, mean, components)
            columns.update({f"{side}_pca_{i + 1}": z[:, i] for i in range(COMPONENTS)})
            for row in np.flatnonzero(np.isnan(z).any(axis=1)):
                missing[row].append(
                    f"the pool spans fewer than {COMPONENTS} {side} axes"
                    if usable[row]
                    else f"no {side} vector"
                )
        return Scores({**columns}, ["; ".join(reasons) or None for reasons in missing])


def project(
    matrix: np.ndarray, usable: np.ndarray, mean: np.ndarray, components: np.ndarray
) -> np.ndarray:
    """Coordinates along stored axes, (N, 6) float32, block by block.

    Args:
        matrix: (N, dim) unit rows.
        usable: (N,) which of them count; the others are NaN.
        mean: (dim,).
        components: (c, dim), c ≤ 6; coordinates beyond c are NaN.
    """
    z = np.full((len(matrix), COMPONENTS), np.nan, dtype=np.float32)
    for start in range(0, len(matrix), _CHUNK):
        part = unit_rows(matrix, slice(start, start + _CHUNK))
        z[start : start + _CHUNK, : len(components)] = (part - mean) @ components.T
    z[~usable] = np.nan
    return z


def fit_pca(
    matrix: np.ndarray, usable: np.ndarray, pool: Pool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Principal components of a pool's vectors.

    Args:
        matrix: (N, dim) unit rows.
        usable: (N,) which of them count.
        pool: For ids and seed.

    Returns:
        mean (dim,), components (c, dim) with c ≤ 6 the number of axes that the rows span, and
        the standard deviation along each (c,), all float32.
    """
    chosen = hash_order(pool.ids, np.flatnonzero(usable), pool.seed)[:_SAMPLE]
    blocks = [chosen[start : start + _BLOCK] for start in range(0, len(chosen), _BLOCK)]
    dim = matrix.shape[1]
    mean, covariance = np.zeros(dim), np.zeros((dim, dim))
    for block in blocks:
        mean += unit_rows(matrix, block).sum(axis=0, dtype=np.float64) / len(chosen)
    for block in blocks:
        centred = unit_rows(matrix, block) - mean
        covariance += centred.T @ centred / len(chosen)
    values, vectors = np.linalg.eigh(covariance)
    order = np.argsort(values)[::-1][: min(COMPONENTS, len(chosen) - 1)]
    # float16 rounding alone gives a variance of about 1e-7 a unit vector.
    order = order[values[order] > max(1e-9, 1e-9 * values.max())]
    components = vectors[:, order].T
    largest = np.take_along_axis(
        components, np.abs(components).argmax(axis=1, keepdims=True), axis=1
    )
    components = components * np.sign(largest)
    deviation = np.sqrt(values[order])
    return (
        mean.astype(np.float32),
        components.astype(np.float32),
        deviation.astype(np.float32),
    )
