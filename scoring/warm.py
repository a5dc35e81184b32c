"""Scoring that stays warm: models, metrics and stores opened once, then sample after sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType

import numpy as np
import pyarrow as pa

from data_cards.sample import Sample
from scoring.engine import EngineOptions, map_shard, open_mapper, pool_metrics
from scoring.memory import release_freed
from scoring.metric import Metric, Models
from scoring.output import SPACES, sample_columns, score_columns, score_schema
from scoring.reference import Reference, hold_against
from scoring.run import SAMPLES
from scoring.scored_rows import ScoredRows
from scoring.shards import prepared_shards

HELD = 1_024
"""Calls after which what was computed is forgotten, so that memory stays bounded."""


class WarmEngine:
    """Scores samples against a reference, again and again, each call for itself.

    The stores are read, never written: what strangers send leaves nothing on the disk. What was
    computed lately is held in memory. Not for several threads at once.

    Args:
        reference: What pool metrics hold the rows against.
        metrics: Those of the reference.
        models: What the metrics were made with.
        options: Sizes and places; no thumbnails are made.
    """

    def __init__(
        self,
        reference: Reference,
        metrics: Sequence[Metric],
        models: Models,
        options: EngineOptions,
    ) -> None:
        self.reference = reference
        self._pool = pool_metrics(metrics)
        self._mapper = open_mapper(metrics, models, replace(options, thumbnail=0), keep=False)
        self._schema = score_schema(self._mapper.schema())
        self._calls = 0

    def score(self, samples: Sequence[Sample]) -> ScoredRows:
        """Score some samples; the numbers are those that the engine would write.

        Args:
            samples: In any number; all are in memory at once.
        """
        images = self._mapper.images
        self._calls += 1
        if self._calls % HELD == 0:
            self._mapper.forget()
            release_freed()
        try:
            (shard,) = prepared_shards(samples, images, len(samples))
            columns, notes, vectors = map_shard(shard, self._mapper)
        except BaseException:
            self._mapper.forget()  # or a picture that was begun would be waited for in vain
            raise
        rows = ScoredRows(
            pa.Table.from_pydict(sample_columns(shard), SAMPLES),
            pa.Table.from_pydict(score_columns(shard, columns, notes), self._schema),
            dict(zip(SPACES, (np.asarray(v, "<f2") for v in vectors), strict=False)),
        )
        return hold_against(rows, self._pool, self.reference)

    def close(self) -> None:
        """Stop the threads."""
        self._mapper.images.close()

    def __enter__(self) -> WarmEngine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
