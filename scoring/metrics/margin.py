"""Whether an image fits its own response better than other responses fit it, and it them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from scoring.metric import Column, MetricSpec, Models, Pool, Scores, register
from scoring.metrics.pool_vectors import hash_order, unit_rows, usable_rows

NEIGHBOURS = 10
LANDMARKS = 8_192
"""Rows that stand for the pool: exact up to this size, a fixed sample by hash above."""
_BLOCK = 1_024


@register
class Margin:
    """Cosine of the pair, less that of the best others (CSLS and its image half)."""

    version: ClassVar[int] = 1
    spec: ClassVar[MetricSpec] = MetricSpec(
        name="margin",
        summary="Image-text agreement against the best-fitting other responses and images.",
        formula=(
            "c = cos of the image's and the response's pooled vectors; r_T = mean of the "
            f"{NEIGHBOURS} highest cosines between the image and other rows' responses, r_I "
            "between the response and other rows' images. `alignment_margin` = c − r_T; "
            "`alignment_csls` = 2c − r_T − r_I. Others are the pool's rows with image and "
            f"response, above {LANDMARKS:,} a sample of so many by the hash of their ids."
        ),
        columns=(
            Column("alignment_margin", "cosine less that of the best others", (-2, 2), "higher"),
            Column("alignment_csls", "the same from both sides", (-4, 4), "higher"),
        ),
        needs=frozenset({"pool", "image_embedding", "text_embedding"}),
        cost=f"two products with {LANDMARKS:,} rows for each row",
        source=(
            "`alignment_csls`: cross-domain similarity local scaling, Conneau et al., Word "
            "Translation Without Parallel Data (arXiv 1710.04087), equation 2"
        ),
    )

    def __init__(self, models: Models) -> None:
        self._encoder = models.encoder

    def parameters(self) -> Mapping[str, Any]:
        """The encoder's key, and the sizes."""
        key = self._encoder.key if self._encoder is not None else None
        return {"encoder": key, "neighbours": NEIGHBOURS, "landmarks": LANDMARKS}

    def score(self, pool: Pool) -> Scores:
        """Score the pool; rows without image or response vector are null."""
        rows = paired_rows(pool)
        return margins(pool, rows, Landmarks.of(pool, pool.seed), own=True)


def paired_rows(pool: Pool) -> np.ndarray:
    """Positions of the rows that have an image and a response vector."""
    has = usable_rows(pool.image_embedding, pool.status)
    return np.flatnonzero(has & usable_rows(pool.text_embedding, pool.status))


@dataclass(frozen=True)
class Landmarks:
    """The rows that stand for a pool; no order of the input has a say.

    Attributes:
        rows: (a,) positions in the pool.
        images: (a, d) their unit image vectors; empty without any row.
        texts: (a, d) their unit response vectors, likewise.
    """

    rows: np.ndarray
    images: np.ndarray
    texts: np.ndarray

    @classmethod
    def of(cls, pool: Pool, seed: int) -> Landmarks:
        """All rows of a pool, or a fixed sample."""
        rows = hash_order(pool.ids, paired_rows(pool), seed)[:LANDMARKS]
        images, texts = (
            np.zeros((0, 0), np.float32) if matrix is None else unit_rows(matrix, rows)
            for matrix in (pool.image_embedding, pool.text_embedding)
        )
        return cls(rows, images, texts)


def margins(pool: Pool, rows: np.ndarray, among: Landmarks, *, own: bool) -> Scores:
    """Margins of some rows against the landmarks of a pool.

    Args:
        pool: Where the rows are.
        rows: (m,) positions with both vectors.
        among: What they are held against.
        own: Whether the landmarks are of ``pool``: then a row is no landmark to itself.
    """
    n = len(pool.ids)
    values = {name: np.full(n, np.nan) for name in ("alignment_margin", "alignment_csls")}
    here = pool.image_embedding, pool.text_embedding
    lone = len(among.rows) - int(own) < 1
    if len(rows) and not lone:
        place = {int(row): at for at, row in enumerate(among.rows)} if own else {}
        for start in range(0, len(rows), _BLOCK):
            part = rows[start : start + _BLOCK]
            image, text = (unit_rows(matrix, part) for matrix in here if matrix is not None)
            cosine = (image * text).sum(axis=1)
            mine = [(at, place[int(row)]) for at, row in enumerate(part) if int(row) in place]
            to_texts = _best(image @ among.texts.T, mine)
            to_images = _best(text @ among.images.T, mine)
            values["alignment_margin"][part] = cosine - to_texts
            values["alignment_csls"][part] = 2 * cosine - to_texts - to_images
    paired = np.zeros(n, bool)
    paired[rows] = True
    why = "no other row to compare with"
    notes = [
        ("no image" if not paired[row] else why)
        if np.isnan(values["alignment_csls"][row])
        else None
        for row in range(n)
    ]
    return Scores({**values}, notes)


def _best(cosines: np.ndarray, own: list[tuple[int, int]]) -> np.ndarray:
    """Mean of the highest cosines of each row, its own landmark left out."""
    if own:
        at, column = np.array(own).T
        cosines[at, column] = -np.inf
    k = min(NEIGHBOURS, cosines.shape[1])
    top = np.sort(np.partition(cosines, -k, axis=1)[:, -k:], axis=1)
    there = np.isfinite(top)
    return np.where(there, top, 0.0).sum(axis=1) / there.sum(axis=1)
