"""The local engine: maps metrics over shards of samples, streaming, resuming, never recomputing.

Shard by shard, samples are read, their images hashed and decoded one shard ahead of the model,
and every metric is asked for the rows that its store lacks. When all shards are through, the pool
metrics run over what was written. Everything computed lands in content-addressed stores (see
:mod:`scoring.store`), so a run killed at any moment goes on from its last finished shard, and a
second run over the same data runs no model at all.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data_cards.images import ImageLimits
from data_cards.sample import Sample
from scoring.images import ImageStage, LoadedImage, arrow_schema, vector_schema
from scoring.images import vectors_from, vectors_table
from scoring.metric import Batch, Metric, Models, Need, metric_key, registry
from scoring.pool import score_pool
from scoring.run import FORMAT_VERSION, SAMPLES, Run, VectorFile
from scoring.store import KeyedStore, atomic_path, content_key

Progress = Callable[[str, int, int | None], None]
NOTES = pa.schema([("notes", pa.string())])


@dataclass(frozen=True)
class EngineOptions:
    """How to run, never what to compute: none of these changes a number (save ``thumbnail``).

    Attributes:
        cache: Root of the content-addressed stores.
        shard_rows: Rows held in memory at a time.
        workers: Decoding threads; 0: as many as the machine has cores.
        limits: What an image may cost before it is refused.
        thumbnail: Longest side of the report's thumbnails in pixels; 0: none.
        seed: For pool metrics that draw.
    """

    cache: Path
    shard_rows: int = 256
    workers: int = 0
    limits: ImageLimits = field(default_factory=ImageLimits)
    thumbnail: int = 160
    seed: int = 0


@dataclass(slots=True)
class _Shard:
    samples: list[Sample]
    status: list[str]
    errors: list[str | None]
    loads: list[list[Future[LoadedImage]]]
    loaded: list[list[LoadedImage]] = field(default_factory=list)
    jobs: dict[bytes, Future[Any]] = field(default_factory=dict)


def score(
    samples: Iterable[Sample],
    folder: Path,
    metrics: Sequence[Metric],
    models: Models,
    options: EngineOptions,
    *,
    manifest: dict[str, Any] | None = None,
    total: int | None = None,
    on_progress: Progress = lambda stage, done, total: None,
) -> Run:
    """Score ``samples`` with ``metrics`` into the run folder ``folder``.

    Args:
        samples: A stream; read once, in order.
        folder: Created or overwritten; complete only when ``run.json`` is there.
        metrics: Of all three kinds, in any order.
        models: What the metrics were made with.
        options: Sizes and places.
        manifest: What else ``run.json`` should say (input, command).
        total: Rows to expect, for the progress display.
        on_progress: Called with stage name, done and expected count.

    Returns:
        The finished run, opened.
    """
    started = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").unlink(missing_ok=True)
    mapper = _Mapper(folder, metrics, models, options)
    try:
        rows = 0
        for shard in mapper.shards(samples):
            rows += mapper.finish(shard)
            on_progress("score", rows, total if total is None else max(total, rows))
        mapper.close()
    except BaseException:
        mapper.abandon()
        raise
    pool_metrics = [metric for metric in metrics if _kind(metric) == "pool"]
    pool_stats = score_pool(folder, pool_metrics, options.cache, options.seed, on_progress)
    summary = {
        "format_version": FORMAT_VERSION,
        **(manifest or {}),
        "rows": rows,
        "status": dict(mapper.counts),
        "models": {
            "name": models.name,
            "encoder": models.encoder and models.encoder.key,
            "language_model": models.language_model and models.language_model.key,
        },
        "metrics": {metric.spec.name: metric_key(metric) for metric in metrics},
        "computed": {**mapper.computed(), **pool_stats},
        "seed": options.seed,
        "seconds": round(time.perf_counter() - started, 2),
        "seconds_by_stage": {name: round(value, 2) for name, value in mapper.seconds.items()},
    }
    with atomic_path(folder / "run.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=2, ensure_ascii=False), "utf-8")
    return Run.open(folder)


def make_metrics(models: Models, names: Sequence[str] | None = None) -> list[Metric]:
    """Instances of the named metrics; by default all that the models allow.

    Raises:
        KeyError: For a name that no metric has.
    """
    known = registry()
    chosen = list(known) if names is None else list(names)
    metrics = []
    for name in chosen:
        needs: frozenset[Need] = known[name].spec.needs  # type: ignore[attr-defined]
        lacks_encoder = needs & {"image_embedding", "text_embedding"} and models.encoder is None
        lacks_model = "language_model" in needs and models.language_model is None
        if names is None and (lacks_encoder or lacks_model):
            continue
        metrics.append(known[name](models))
    return metrics


def _kind(metric: Metric) -> str:
    if "pool" in metric.spec.needs:
        return "pool"
    return "image" if hasattr(metric, "measure") else "sample"


class _Mapper:
    """State of the mapping pass: stores, open output files, counts and seconds."""

    def __init__(
        self, folder: Path, metrics: Sequence[Metric], models: Models, options: EngineOptions
    ) -> None:
        self.folder = folder
        self.options = options
        embeds = any(m.spec.needs & {"image_embedding", "text_embedding"} for m in metrics)
        self.encoder = models.encoder if embeds else None
        self.images = ImageStage(
            options.cache,
            [m for m in metrics if _kind(m) == "image"],  # type: ignore[misc]
            self.encoder,
            options.limits,
            options.thumbnail,
            options.workers or os.cpu_count() or 1,
        )
        self.sample_metrics: list[Any] = [m for m in metrics if _kind(m) == "sample"]
        self.stores = {
            metric.spec.name: KeyedStore(
                options.cache / f"{metric.spec.name}-{metric_key(metric)}",
                pa.unify_schemas([arrow_schema(metric.spec.columns), NOTES]),
            )
            for metric in self.sample_metrics
        }
        self.texts = self.encoder and KeyedStore(
            options.cache / f"text-vectors-{self.encoder.key}", vector_schema(self.encoder.dim)
        )
        self.counts: Counter[str] = Counter()
        self.new_rows: Counter[str] = Counter()
        self.seconds: Counter[str] = Counter()
        self.score_schema = self._score_schema()
        self.samples_out = ParquetStream(folder / "samples.parquet", SAMPLES)
        self.scores_out = ParquetStream(folder / "scores.parquet", self.score_schema)
        self.thumbnails_out = ParquetStream(
            folder / "thumbnails.parquet",
            pa.schema([("key", pa.binary(16)), ("thumbnail", pa.binary())]),
        )
        self.thumbnailed: set[bytes] = set()
        self.vector_files = (
            [VectorFile(folder / "embeddings" / f"{n}.npy", self.encoder.dim) for n in _SPACES]
            if self.encoder
            else []
        )

    def _score_schema(self) -> pa.Schema:
        fields = [pa.field("id", pa.string())]
        for metric in [*self.sample_metrics, *self.images.metrics]:
            fields += list(arrow_schema(metric.spec.columns))
        fields += [pa.field(name, pa.string()) for name in ("status", "error", "notes")]
        return pa.schema(fields)

    def computed(self) -> dict[str, int]:
        """How many rows each part really computed in this run; all zero the second time."""
        return {
            "images_decoded": self.images.decoded,
            "images_encoded": self.images.encoded,
            "texts_encoded": self.new_rows["texts"],
            **{name: self.new_rows[name] for name in self.stores},
        }

    def shards(self, samples: Iterable[Sample]) -> Iterator[_Shard]:
        """Shards whose images are decoded already, the next one's being decoded meanwhile."""
        stream = iter(samples)
        window: deque[_Shard] = deque()
        while True:
            while len(window) < 2 and (chunk := list(islice(stream, self.options.shard_rows))):
                window.append(self._start(chunk))
                if len(window) == 1:
                    self._decode(window[0])
            if not window:
                return
            if len(window) > 1:
                self._decode(window[1])
            yield window.popleft()

    def _start(self, chunk: list[Sample]) -> _Shard:
        status, errors, loads = [], [], []
        for sample in chunk:
            error = sample.error
            if error is None and not sample.response:
                error = "response is empty"
            if error is None:
                error = next((ref.error for ref in sample.images if ref.error), None)
            errors.append(error)
            status.append("ok" if error is None else "bad")
            loads.append(self.images.load([r for r in sample.images if r.error is None]))
        return _Shard(chunk, status, errors, loads)

    def _decode(self, shard: _Shard) -> None:
        if shard.loaded:
            return
        shard.loaded = [[future.result() for future in row] for row in shard.loads]
        refs = [ref for s in shard.samples for ref in s.images if ref.error is None]
        shard.jobs = self.images.start_decoding(refs, [i for row in shard.loaded for i in row])

    def finish(self, shard: _Shard) -> int:
        """Run the models on what is missing of a shard and write its rows."""
        with _Clock(self.seconds, "images"):
            self.images.finish(shard.jobs)
        image_keys: list[list[bytes]] = []
        for index, row in enumerate(shard.loaded):
            many = len(row) > 1
            keys = [image.key for image in row if image.key is not None]
            problems = [image.error for image in row]
            problems = [p or (self.images.errors([i.key])[0] if i.key else None)
                        for p, i in zip(problems, row, strict=True)]
            for number, problem in enumerate(problems, 1):
                if problem and shard.errors[index] is None:
                    place = f"image {number} of {len(row)}: " if many else ""
                    shard.errors[index] = place + problem
                    shard.status[index] = "bad"
            image_keys.append(keys)
        self.counts.update(shard.status)
        contents = [
            content_key(s.instruction, s.response, *keys)
            for s, keys in zip(shard.samples, image_keys, strict=True)
        ]
        good = [i for i, status in enumerate(shard.status) if status == "ok"]
        columns, notes = self._score(shard, good, contents, image_keys)
        self._write(shard, image_keys, contents, columns, notes)
        return len(shard.samples)

    def _score(
        self,
        shard: _Shard,
        good: list[int],
        contents: list[bytes],
        image_keys: list[list[bytes]],
    ) -> tuple[dict[str, pa.Array], list[list[str]]]:
        size = len(shard.samples)
        columns: dict[str, pa.Array] = {}
        notes: list[list[str]] = [[] for _ in range(size)]
        vectors = dict(zip(good, self._image_vectors([image_keys[i] for i in good]), strict=True))
        for metric in self.sample_metrics:
            name, store = metric.spec.name, self.stores[metric.spec.name]
            with _Clock(self.seconds, name):
                first = {contents[i]: i for i in reversed(good)}
                todo = [first[key] for key in store.missing(contents[i] for i in good)]
                if todo:
                    batch = Batch(
                        [shard.samples[i].instruction for i in todo],
                        [shard.samples[i].response for i in todo],
                        [vectors[i] for i in todo],
                        self.embed_texts if self.encoder else None,
                    )
                    result = metric.score(batch)
                    table = pa.table(
                        {
                            column.name: _to_arrow(result.columns[column.name], column.kind)
                            for column in metric.spec.columns
                        }
                        | {"notes": pa.array(list(result.notes), pa.string())}
                    )
                    store.append([contents[i] for i in todo], table)
                    self.new_rows[name] += len(todo)
                rows = store.take([contents[i] for i in good])
                for column in metric.spec.columns:
                    columns[column.name] = _spread(rows[column.name], good, size)
                for i, note in zip(good, rows["notes"].to_pylist(), strict=True):
                    if note:
                        notes[i].append(f"{name}: {note}")
        pictured = [i for i in good if image_keys[i]]
        for name, store in self.images.measured.items():
            rows = store.take([image_keys[i][0] for i in pictured])
            for field_ in store.schema:
                columns[field_.name] = _spread(rows[field_.name], pictured, size)
            for i in good:
                if not image_keys[i]:
                    notes[i].append(f"{name}: no image")
        return columns, notes

    def _image_vectors(self, rows: list[list[bytes]]) -> list[np.ndarray]:
        flat = self.images.vectors_of([key for row in rows for key in row])
        ends = np.cumsum([len(row) for row in rows], dtype=int)
        return np.split(flat, ends[:-1]) if rows else []

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Unit float32 vectors of ``texts``; only those never seen before are encoded."""
        assert self.encoder is not None and self.texts is not None
        keys = [content_key(text) for text in texts]
        by_key = dict(zip(keys, texts, strict=True))
        missing = self.texts.missing(keys)
        if missing:
            fresh = self.encoder.encode_texts([by_key[key] for key in missing])
            self.texts.append(missing, vectors_table(fresh))
            self.new_rows["texts"] += len(missing)
        return vectors_from(self.texts.take(keys))

    def _pool_vectors(self, shard: _Shard, image_keys: list[list[bytes]]) -> list[np.ndarray]:
        """Per sample one image and one response vector (renormalised means), NaN where none."""
        assert self.encoder is not None
        from scoring.metrics.alignment import pieces

        good = [i for i, status in enumerate(shard.status) if status == "ok"]
        result = []
        split = [pieces(shard.samples[i].response) for i in good]
        texts = self.embed_texts([piece for row in split for piece in row])
        ends = np.cumsum([len(row) for row in split], dtype=int)[:-1]
        per_text = np.split(texts, ends) if split else []
        per_image = self._image_vectors([image_keys[i] for i in good])
        for rows in (per_image, per_text):
            block = np.full((len(shard.samples), self.encoder.dim), np.nan, np.float32)
            for i, vectors in zip(good, rows, strict=True):
                if len(vectors):
                    mean = vectors.mean(axis=0)
                    block[i] = mean / max(float(np.linalg.norm(mean)), 1e-12)
            result.append(block)
        return result

    def _write(
        self,
        shard: _Shard,
        image_keys: list[list[bytes]],
        contents: list[bytes],
        columns: dict[str, pa.Array],
        notes: list[list[str]],
    ) -> None:
        ids = [sample.id for sample in shard.samples]
        self.samples_out.write(
            {
                "id": ids,
                "row": [s.row for s in shard.samples],
                "where": [s.where for s in shard.samples],
                "source": [s.source for s in shard.samples],
                "instruction": [s.instruction for s in shard.samples],
                "response": [s.response for s in shard.samples],
                "turns": [len(s.turns) for s in shard.samples],
                "image_names": [[ref.name for ref in s.images] for s in shard.samples],
                "image_keys": image_keys,
                "content": contents,
                "status": shard.status,
                "error": shard.errors,
            }
        )
        self.scores_out.write(
            {
                "id": ids,
                **columns,
                "status": shard.status,
                "error": shard.errors,
                "notes": ["; ".join(row) or None for row in notes],
            }
        )
        if self.vector_files:
            with _Clock(self.seconds, "embedding files"):
                blocks = self._pool_vectors(shard, image_keys)
            for file, block in zip(self.vector_files, blocks, strict=True):
                file.append(block)
        if self.options.thumbnail:
            fresh = [
                key
                for key in dict.fromkeys(k for row in image_keys for k in row[:1])
                if key not in self.thumbnailed and key in self.images.facts
            ]
            self.thumbnailed.update(fresh)
            pictures = self.images.facts.take(fresh, ["thumbnail"])["thumbnail"]
            self.thumbnails_out.write({"key": fresh, "thumbnail": pictures})

    def close(self) -> None:
        """Put all output files in their places."""
        self.images.close()
        for stream in (self.samples_out, self.scores_out, self.thumbnails_out, *self.vector_files):
            stream.close()

    def abandon(self) -> None:
        """Remove unfinished output; what the stores hold stays and is used next time."""
        self.images.close()
        for stream in (self.samples_out, self.scores_out, self.thumbnails_out, *self.vector_files):
            stream.abandon()


_SPACES = ("image", "text")


class _Clock:
    """Adds the seconds spent inside to ``counter[name]``."""

    def __init__(self, counter: Counter[str], name: str) -> None:
        self.counter, self.name = counter, name

    def __enter__(self) -> None:
        self.started = time.perf_counter()

    def __exit__(self, *exception: object) -> None:
        self.counter[self.name] += time.perf_counter() - self.started  # type: ignore[assignment]


def _to_arrow(values: Any, kind: str) -> pa.Array:
    from scoring.images import ARROW_TYPES

    return pa.array(values, ARROW_TYPES[kind], from_pandas=True)  # NaN becomes null


def _spread(values: pa.ChunkedArray, places: list[int], size: int) -> pa.Array:
    """Put the k values at their places among ``size`` rows, null elsewhere."""
    index = np.full(size, -1)
    index[places] = np.arange(len(places))
    taken = pa.array(np.where(index < 0, 0, index), mask=index < 0)
    return values.combine_chunks().take(taken) if len(values) else pa.nulls(size, values.type)
