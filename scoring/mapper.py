"""Sample metrics over one shard: ask the stores, compute what they lack, give columns back."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from scoring.images import (
    ARROW_TYPES,
    ImageStage,
    arrow_schema,
    vector_schema,
    vectors_from,
    vectors_table,
)
from scoring.metric import Batch, Metric, SampleMetric, metric_key
from scoring.pictures import Picture
from scoring.shards import Shard
from scoring.store import KeyedStore, content_key

if TYPE_CHECKING:
    from scoring.encoders.base import ImageTextEncoder

NOTES = pa.field("notes", pa.string())


def store_folder(cache: Path, metric: Metric) -> Path:
    """Where the results of a metric are kept below the root of the stores."""
    return cache / f"{metric.spec.name}-{metric_key(metric)}"


class Mapper:
    """What the mapping pass keeps between shards.

    Args:
        cache: Root of the content-addressed stores.
        metrics: Sample metrics to compute.
        images: The image stage.
        encoder: Encodes the texts, into the space of the stage's image vectors; ``None``: nothing
            embeds.

    Attributes:
        computed: Rows really computed, per metric, and ``texts_encoded``.
        unfinished: Rows that failed for now, per metric that has any.
        seconds: Where the time went.
    """

    def __init__(
        self,
        cache: Path,
        metrics: Sequence[SampleMetric],
        images: ImageStage,
        encoder: ImageTextEncoder | None,
    ) -> None:
        self.metrics = list(metrics)
        self.images = images
        self.encoder = encoder
        self.stores = {
            metric.spec.name: KeyedStore(
                store_folder(cache, metric),
                arrow_schema(metric.spec.columns).append(NOTES),
                images.keep,
            )
            for metric in self.metrics
        }
        self.texts = (
            None
            if self.encoder is None
            else KeyedStore(
                cache / f"text-vectors-{self.encoder.key}",
                vector_schema(self.encoder.dim),
                images.keep,
            )
        )
        self.computed: Counter[str] = Counter()
        self.unfinished: Counter[str] = Counter()
        self.seconds: dict[str, float] = {}

    def forget(self) -> None:
        """Drop what is held in memory only."""
        self.images.forget()
        for store in (*self.stores.values(), self.texts):
            if store is not None:
                store.forget()

    def schema(self) -> pa.Schema:
        """Columns that :meth:`columns` gives, in order."""
        fields = [
            field
            for metric in [*self.metrics, *self.images.metrics]
            for field in arrow_schema(metric.spec.columns)
        ]
        return pa.schema(fields)

    def columns(self, shard: Shard) -> tuple[dict[str, pa.Array], list[list[str]]]:
        """All columns of a shard, null in bad rows, and per row what explains its nulls."""
        good = shard.good
        # a picture alone is asked about itself only
        worded = [index for index in good if not shard.samples[index].is_picture]
        notes: list[list[str]] = [[] for _ in range(len(shard))]
        columns: dict[str, pa.Array] = {}
        vectors = dict(zip(good, self.image_vectors(shard), strict=True))
        for metric in self.metrics:
            name = metric.spec.name
            with self.clock(name):
                rows = self._rows(metric, shard, worded, vectors)
            for column in metric.spec.columns:
                columns[column.name] = _spread(rows[column.name], worded, len(shard))
            for index, note in zip(worded, rows["notes"].to_pylist(), strict=True):
                if note:
                    notes[index].append(f"{name}: {note}")
            for index in set(good).difference(worded):
                notes[index].append(f"{name}: no text")
        pictured = [index for index in good if shard.image_keys[index]]
        for name, store in self.images.measured.items():
            rows = store.take([shard.image_keys[index][0] for index in pictured])
            for field in store.schema:
                columns[field.name] = _spread(rows[field.name], pictured, len(shard))
            for index in set(good).difference(pictured):
                notes[index].append(f"{name}: no image")
        return columns, notes

    def image_vectors(self, shard: Shard) -> list[np.ndarray]:
        """Per good sample, the unit vectors of its images, shape (images, dim)."""
        rows = [shard.image_keys[index] for index in shard.good]
        flat = self.images.vectors_of([key for row in rows for key in row])
        return _split(flat, [len(row) for row in rows])

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Unit float32 vectors of ``texts``; only those never seen before are encoded."""
        if self.encoder is None or self.texts is None:
            raise RuntimeError("a metric embeds texts without declaring that it needs to")
        keys = [content_key(text) for text in texts]
        by_key = dict(zip(keys, texts, strict=True))
        missing = self.texts.missing(keys)
        if missing:
            with self.clock("text encoder"):
                fresh = self.encoder.encode_texts([by_key[key] for key in missing])
            self.texts.append(missing, vectors_table(fresh))
            self.computed["texts_encoded"] += len(missing)
        return vectors_from(self.texts.take(keys))

    def pool_vectors(self, shard: Shard) -> list[np.ndarray]:
        """Per sample one image and one response vector (renormalised means), NaN where none."""
        from scoring.metrics.alignment import pieces

        responses = [shard.samples[index].response for index in shard.good]
        split = [pieces(response) if response else [] for response in responses]
        texts = self.embed_texts([piece for row in split for piece in row])
        spaces = (self.image_vectors(shard), _split(texts, [len(row) for row in split]))
        blocks = []
        for rows in spaces:
            block = np.full((len(shard), texts.shape[1]), np.nan, np.float32)
            for index, vectors in zip(shard.good, rows, strict=True):
                if len(vectors):
                    mean = vectors.mean(axis=0)
                    block[index] = mean / max(float(np.linalg.norm(mean)), 1e-12)
            blocks.append(block)
        return blocks

    @contextmanager
    def clock(self, name: str) -> Iterator[None]:
        """Add the seconds spent inside to ``seconds[name]``."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started

    def _rows(
        self,
        metric: SampleMetric,
        shard: Shard,
        chosen: Sequence[int],
        vectors: dict[int, np.ndarray],
    ) -> pa.Table:
        """Columns and notes of the ``chosen`` rows, in their order."""
        store = self.stores[metric.spec.name]
        keys = [shard.contents[index] for index in chosen]
        first = {shard.contents[index]: index for index in reversed(chosen)}
        missing = store.missing(keys)
        failed: dict[bytes, int] = {}
        unkept = store.schema.empty_table()
        if missing:
            todo = [first[key] for key in missing]
            batch = Batch(
                [shard.samples[index].instruction for index in todo],
                [shard.samples[index].response for index in todo],
                [vectors[index] for index in todo],
                self.embed_texts if self.encoder is not None else None,
                [self._pictures(shard, index) for index in todo],
            )
            result = metric.score(batch)
            columns: dict[str, Any] = {
                column.name: pa.array(
                    result.columns[column.name], ARROW_TYPES[column.kind], from_pandas=True
                )
                for column in metric.spec.columns
            }
            columns["notes"] = pa.array(list(result.notes), pa.string())
            rows = pa.table(columns)
            again = list(result.retry or [False] * len(missing))
            kept = [row for row, retry in enumerate(again) if not retry]
            store.append([missing[row] for row in kept], rows.take(pa.array(kept, pa.int64())))
            self.computed[metric.spec.name] += len(kept)
            failed = {key: row for row, key in enumerate(missing) if again[row]}
            unkept = rows.cast(store.schema)
        if not failed:
            return store.take(keys)
        self.unfinished[metric.spec.name] += sum(key in failed for key in keys)
        stored = [key for key in dict.fromkeys(keys) if key not in failed]
        both = pa.concat_tables([unkept, store.take(stored)])
        places = failed | {key: len(unkept) + row for row, key in enumerate(stored)}
        return both.take(pa.array([places[key] for key in keys], pa.int64()))

    def _pictures(self, shard: Shard, index: int) -> list[Picture]:
        """The images of a good row, to be opened when a metric asks for them."""
        refs, keys = shard.samples[index].images, shard.image_keys[index]
        given = self.images.limits, self.images.downloader
        return [Picture(key, ref, *given) for key, ref in zip(keys, refs, strict=True)]


def _split(flat: np.ndarray, lengths: Sequence[int]) -> list[np.ndarray]:
    return np.split(flat, np.cumsum(lengths[:-1], dtype=int)) if lengths else []


def _spread(values: pa.ChunkedArray, places: Sequence[int], size: int) -> pa.Array:
    """Put the k values at their places among ``size`` rows, null elsewhere."""
    if not len(values):
        return pa.nulls(size, values.type)
    index = np.full(size, -1)
    index[list(places)] = np.arange(len(places))
    taken = pa.array(np.maximum(index, 0), mask=index < 0)
    return values.combine_chunks().take(taken)
