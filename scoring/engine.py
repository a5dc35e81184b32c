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
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from data_cards.images import ImageLimits
from data_cards.sample import Sample
from scoring.images import ImageStage
from scoring.judge.base import Usage
from scoring.mapper import Mapper
from scoring.memory import release_freed
from scoring.metric import Metric, Models, Need, metric_key, registry
from scoring.output import RunWriter
from scoring.pool import score_pool
from scoring.run import FORMAT_VERSION, Run
from scoring.shards import Shard, prepared_shards
from scoring.store import atomic_path

if TYPE_CHECKING:
    from data_cards.downloader import Downloader

Progress = Callable[[str, int, int | None], None]
VECTORS: frozenset[Need] = frozenset(("image_embedding", "text_embedding"))
PoolPass = Callable[[Path, Sequence[Metric], Path, int, Progress], dict[str, int]]


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
        downloader: Fetches images that are addresses; ``None``: they are refused.
    """

    cache: Path
    shard_rows: int = 256
    workers: int = 0
    limits: ImageLimits = field(default_factory=ImageLimits)
    thumbnail: int = 160
    seed: int = 0
    downloader: Downloader | None = None


@dataclass
class Mapped:
    """What a pass over all samples came to; its files lie in the run folder.

    Attributes:
        status: Rows per status.
        computed: What was really computed, by name.
        unfinished: Rows that failed for now, per metric that has any.
        seconds: Where the time went, summed over all workers.
        judged: What the judge took; ``None`` without one.
    """

    status: Counter[str] = field(default_factory=Counter)
    computed: Counter[str] = field(default_factory=Counter)
    unfinished: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    judged: Usage | None = None


Mapping = Callable[[Path, int | None, Progress], Mapped]
"""Writes the files of a run folder that grow with the samples; given rows to expect."""


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
    pool_pass: PoolPass = score_pool,
    embed: bool | None = None,
    mapping: Mapping | None = None,
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
        pool_pass: Scores the pool metrics once all rows are written; a later batch is held
            against its reference there.
        embed: Whether vectors are made, provided there is an encoder; ``None``: if a metric needs
            them.
        mapping: Maps other samples elsewhere (:mod:`scoring.cluster`); ``samples`` is left alone
            then.

    Returns:
        The finished run, opened.
    """
    started = time.perf_counter()
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").unlink(missing_ok=True)
    if mapping is None:
        mapping = partial(_map_here, samples, metrics, models, options, embed)
    try:
        mapped = mapping(folder, total, on_progress)
    except BaseException:
        if made:
            _remove_empty(folder)
        raise
    before = time.perf_counter()
    pool = pool_metrics(metrics)
    pool_rows = pool_pass(folder, pool, options.cache, options.seed, on_progress)
    mapped.seconds["pool metrics"] = time.perf_counter() - before
    summary = {
        "format_version": FORMAT_VERSION,
        **(manifest or {}),
        "rows": mapped.status.total(),
        "status": dict(mapped.status),
        "models": {
            "name": models.name,
            "encoder": models.encoder and models.encoder.key,
            "language_model": models.language_model and models.language_model.key,
            "reward": models.reward and models.reward.key,
            "judge": models.judge and models.judge.key,
            "specs": dict(models.specs),
        },
        "metrics": {metric.spec.name: metric_key(metric) for metric in metrics},
        "computed": {**mapped.computed, **pool_rows},
        "unfinished": dict(mapped.unfinished),
        **_judging(models, metrics, mapped.judged),
        "seed": options.seed,
        "seconds": round(time.perf_counter() - started, 2),
        "seconds_by_stage": {name: round(value, 2) for name, value in mapped.seconds.items()},
    }
    with atomic_path(folder / "run.json") as temporary:
        temporary.write_text(json.dumps(summary, indent=2, ensure_ascii=False), "utf-8")
    return Run.open(folder)


def _map_here(
    samples: Iterable[Sample],
    metrics: Sequence[Metric],
    models: Models,
    options: EngineOptions,
    embed: bool | None,
    folder: Path,
    total: int | None,
    on_progress: Progress,
) -> Mapped:
    """Map all samples in this process."""
    judged_before = models.judge.usage.copy() if models.judge is not None else Usage()
    mapper = open_mapper(metrics, models, options, embed=embed)
    writer = open_writer(folder, mapper, options)
    counts: Counter[str] = Counter()
    try:
        for shard in prepared_shards(samples, mapper.images, options.shard_rows):
            columns, notes, vectors = map_shard(shard, mapper)
            with mapper.clock("write"):
                writer.write(shard, columns, notes, vectors)
                release_freed()
            counts.update(shard.status)
            rows = counts.total()
            on_progress("score", rows, total if total is None else max(total, rows))
        writer.close()
    except BaseException:
        writer.abandon()
        raise
    finally:
        mapper.images.close()
    judged = models.judge.usage.since(judged_before) if models.judge is not None else None
    return mapped_by(mapper, counts, judged)


def mapped_by(mapper: Mapper, status: Counter[str], judged: Usage | None) -> Mapped:
    """What a mapper came to."""
    computed = {
        "images_decoded": mapper.images.decoded,
        "images_encoded": mapper.images.encoded,
        "texts_encoded": mapper.computed["texts_encoded"],
        **{name: mapper.computed[name] for name in mapper.stores},
    }
    unfinished = Counter(mapper.unfinished)
    return Mapped(status, Counter(computed), unfinished, dict(mapper.seconds), judged)


def open_writer(folder: Path, mapper: Mapper, options: EngineOptions) -> RunWriter:
    """The files of a run folder that grow with what a mapper gives."""
    images = mapper.images
    dim = images.encoder.dim if images.encoder is not None else None
    return RunWriter(folder, mapper.schema(), dim, images if options.thumbnail else None)


def open_mapper(
    metrics: Sequence[Metric],
    models: Models,
    options: EngineOptions,
    keep: bool = True,
    embed: bool | None = None,
) -> Mapper:
    """What maps samples to columns, its stores and threads opened; close ``mapper.images``.

    Args:
        metrics: Of all three kinds; pool metrics are passed over.
        models: What the metrics were made with.
        options: Sizes and places.
        keep: Whether what is computed is written to the stores, or held in memory only.
        embed: Whether vectors are made; ``None``: if a metric needs them.

    Raises:
        ValueError: ``embed`` is false, and a metric needs vectors.
    """
    kinds: dict[str, list[Any]] = {"image": [], "sample": [], "pool": []}
    for metric in metrics:
        kinds[_kind(metric)].append(metric)
    needed = [m.spec.name for m in metrics if m.spec.needs & VECTORS]
    if embed is False and needed:
        raise ValueError(f"{', '.join(needed)} cannot be measured without vectors")
    embeds = bool(needed) if embed is None else embed
    encoder = models.encoder if embeds else None
    images = ImageStage(
        options.cache,
        kinds["image"],
        encoder,
        options.limits,
        options.thumbnail,
        options.workers or os.cpu_count() or 1,
        downloader=options.downloader,
        keep=keep,
    )
    return Mapper(options.cache, kinds["sample"], images, encoder)


def map_shard(
    shard: Shard, mapper: Mapper
) -> tuple[dict[str, pa.Array], list[list[str]], list[np.ndarray]]:
    """Columns, notes and vectors of a shard whose images are on their way."""
    with mapper.clock("images"):
        shard.finish_images(mapper.images)
    return map_finished(shard, mapper)


def map_finished(
    shard: Shard, mapper: Mapper
) -> tuple[dict[str, pa.Array], list[list[str]], list[np.ndarray]]:
    """The same of a shard whose images are through."""
    columns, notes = mapper.columns(shard)
    vectors = mapper.pool_vectors(shard) if mapper.images.encoder is not None else []
    return columns, notes, vectors


def pool_metrics(metrics: Sequence[Metric]) -> list[Metric]:
    """Those that look at the whole pool, in their order."""
    return [metric for metric in metrics if _kind(metric) == "pool"]


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
        lacks_encoder = needs & VECTORS and models.encoder is None
        lacks_model = "language_model" in needs and models.language_model is None
        lacks_reward = "reward_model" in needs and models.reward is None
        lacks_judge = "judge" in needs and models.judge is None
        lacks = lacks_encoder or lacks_model or lacks_reward or lacks_judge
        if names is None and lacks:
            continue
        metrics.append(known[name](models))
    return metrics


def _judging(models: Models, metrics: Sequence[Metric], took: Usage | None) -> dict[str, Any]:
    """What the judge was asked in this run and what it took, where there was one."""
    asked = any("judge" in metric.spec.needs for metric in metrics)
    if models.judge is None or took is None or not asked:
        return {}
    told = took.summary(models.judge.options)
    return {"judge": {"name": models.judge.name, **told}}


def _remove_empty(folder: Path) -> None:
    """Remove a run folder that nothing has come of."""
    for path in (folder / "embeddings", folder):
        with suppress(OSError):
            path.rmdir()


def _kind(metric: Metric) -> str:
    if "pool" in metric.spec.needs:
        return "pool"
    return "image" if hasattr(metric, "measure") else "sample"
