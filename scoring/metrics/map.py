"""A flat map of the pool, for the eye: where each sample lies among its like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from scoring.metric import Column, MetricSpec, Models, Pool, Scores, register
from scoring.metrics.pool_vectors import hash_order, unit_rows, usable_rows

LAID_OUT = 10_000
BLOCK = 4096


@register
class MapMetric:
    """t-SNE of the joint image and response embedding."""

    version: ClassVar[int] = 1
    spec: ClassVar[MetricSpec] = MetricSpec(
        name="map",
        summary="Place on a two-dimensional map of the pool, for the report; never used to choose.",
        formula="t-SNE (perplexity 30, PCA start) of [image vector | response vector], scaled to "
        f"[0, 1]; beyond {LAID_OUT:,} rows the rest stands where its nearest laid-out row stands",
        columns=(
            Column("map_x", "horizontal place on the map", (0, 1)),
            Column("map_y", "vertical place on the map", (0, 1)),
        ),
        needs=frozenset({"pool", "image_embedding", "text_embedding"}),
        cost="about 4 ms a row up to 10,000 rows",
        source="van der Maaten and Hinton, JMLR 9 (2008)",
    )

    def __init__(self, models: Models) -> None:
        self.encoder = models.encoder

    def parameters(self) -> Mapping[str, Any]:
        """The encoder; everything else is fixed."""
        return {"encoder": self.encoder and self.encoder.key}

    def score(self, pool: Pool) -> Scores:
        """Lay out all rows that have an image or a response vector."""
        size = len(pool.ids)
        places = np.full((size, 2), np.nan)
        spaces = (pool.image_embedding, pool.text_embedding)
        known = np.logical_or(*(usable_rows(space, pool.status) for space in spaces))
        rows = hash_order(pool.ids, np.flatnonzero(known), pool.seed)
        if len(rows) >= 3:
            laid = rows[:LAID_OUT]
            layout = _layout(_joint(pool, laid), pool.seed)
            places[laid] = layout
            base = _joint(pool, laid)
            for start in range(LAID_OUT, len(rows), BLOCK):
                block = rows[start : start + BLOCK]
                places[block] = layout[np.argmax(_joint(pool, block) @ base.T, axis=1)]
        notes = [None if known else "no vector" for known in ~np.isnan(places[:, 0])]
        return Scores({"map_x": places[:, 0], "map_y": places[:, 1]}, notes)


def _joint(pool: Pool, rows: np.ndarray) -> np.ndarray:
    """Image and response vectors side by side, zeros where one is missing, unit rows."""
    parts = [
        np.nan_to_num(unit_rows(space, rows))
        for space in (pool.image_embedding, pool.text_embedding)
        if space is not None
    ]
    joint = np.concatenate(parts, axis=1)
    return joint / np.maximum(np.linalg.norm(joint, axis=1, keepdims=True), 1e-12)


def _layout(vectors: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    dims = min(32, *vectors.shape)
    reduced = PCA(dims, svd_solver="covariance_eigh").fit_transform(vectors)
    perplexity = min(30.0, (len(vectors) - 1) / 3)
    flat = TSNE(
        2, perplexity=perplexity, init="pca", random_state=seed, max_iter=500, n_jobs=-1
    ).fit_transform(reduced)
    low, high = flat.min(axis=0), flat.max(axis=0)
    return (flat - low) / np.maximum(high - low, 1e-9)
