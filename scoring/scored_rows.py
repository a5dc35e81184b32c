"""Rows that were scored and never written: what a run folder holds, in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

from scoring.metric import Column, Pool
from scoring.pool import join_notes
from scoring.run import declared_columns, numeric_columns

ENDS = ("status", "error", "notes")


class Rows(Protocol):
    """What a judge reads of scored rows, be they a :class:`~scoring.run.Run` or in memory."""

    @property
    def folder(self) -> Path | None:
        """Where they lie, for messages; ``None``: nowhere."""

    @property
    def scores(self) -> pa.Table:
        """The ScoreTable."""

    def numeric(self) -> dict[str, np.ndarray]:
        """Its numbers, as float64 with NaN."""

    def columns(self) -> dict[str, Column]:
        """Declarations of its columns, by name."""

    def embedding(self, name: str) -> np.ndarray | None:
        """``"image"`` or ``"text"``: (N, dim) float16, NaN rows where missing."""

    def iterate_samples(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """What each row is, a batch at a time."""


@dataclass(frozen=True)
class ScoredRows:
    """Some scored rows.

    Attributes:
        samples: Columns of :data:`scoring.run.SAMPLES`.
        scores: The ScoreTable.
        vectors: ``"image"`` and ``"text"`` to (N, dim) float16; empty without an encoder.
    """

    samples: pa.Table
    scores: pa.Table
    vectors: Mapping[str, np.ndarray]
    folder: Path | None = None

    def __len__(self) -> int:
        return len(self.scores)

    def numeric(self) -> dict[str, np.ndarray]:
        """Every number and truth value of the ScoreTable, as float64 with NaN."""
        return numeric_columns(self.scores)

    def columns(self) -> dict[str, Column]:
        """Declarations of the metric columns, by name."""
        known = declared_columns()
        return {name: known[name] for name in self.scores.column_names if name in known}

    def embedding(self, name: str) -> np.ndarray | None:
        """(N, dim) float16, NaN rows where missing; ``None`` without an encoder."""
        return self.vectors.get(name)

    def iterate_samples(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """What each row is."""
        yield from self.samples.select(columns).to_batches()

    def pool(self, seed: int) -> Pool:
        """The rows as pool metrics see them."""
        texts = [self.samples[name].to_pylist() for name in ("instruction", "response")]
        return Pool(
            ids=self.samples["id"].to_pylist(),
            texts=lambda: zip(*texts, strict=True),
            image_embedding=self.embedding("image"),
            text_embedding=self.embedding("text"),
            status=self.samples["status"].to_pylist(),
            seed=seed,
        )

    def with_columns(
        self,
        columns: Mapping[str, pa.Array],
        notes: Sequence[tuple[str, Sequence[str | None]]] = (),
    ) -> ScoredRows:
        """The same with more columns, as :func:`scoring.pool.add_columns` adds them to a run."""
        kept = [name for name in self.scores.column_names if name not in columns]
        data = {name: self.scores[name] for name in kept if name not in ENDS}
        data |= dict(columns)
        data |= {name: self.scores[name] for name in ENDS}
        data["notes"] = join_notes(self.scores["notes"], notes, 0)
        return replace(self, scores=pa.table(data))
