"""What a worker does with a shard: one pass over its images, one over its samples."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from data_cards.errors import BadInputError
from data_cards.sample import Sample
from scoring.cluster.parts import Parts, unpacked
from scoring.engine import EngineOptions, Mapped, mapped_by, open_mapper, open_writer
from scoring.judge.base import Usage
from scoring.mapper import Mapper
from scoring.memory import release_freed
from scoring.metric import Metric, Models
from scoring.shards import Shard, prepared_shards
from scoring.store import KEY_BYTES

Make = Callable[[], tuple[list[Metric], Models]]
Batch = dict[str, np.ndarray]


@dataclass(frozen=True)
class Job:
    """What every worker of a run is told.

    Attributes:
        make: Makes metrics and models; it and what it holds travel to the workers.
        options: Of the engine.
        embed: As for :func:`scoring.engine.open_mapper`.
        parts: Where finished shards lie.
    """

    make: Make
    options: EngineOptions
    embed: bool | None
    parts: Parts


class _Worker:
    """Opens models and stores once; loads weights when they are first needed."""

    def __init__(self, job: Job, cpus: int) -> None:
        self.job = job
        self.metrics, self.models = job.make()
        options = replace(job.options, workers=job.options.workers or max(1, cpus))
        self.mapper = open_mapper(self.metrics, self.models, options, embed=job.embed)
        self._told = Mapped()
        self._usage = self._used()

    def _used(self) -> Usage:
        judge = self.models.judge
        return judge.usage.copy() if judge is not None else Usage()

    def _since(self) -> str:
        """What was computed since it was last asked, as JSON."""
        now = mapped_by(self.mapper, self._told.status, None)
        usage = self._used()
        told = {
            name: dict(getattr(now, name) - getattr(self._told, name))
            for name in ("computed", "unfinished", "seconds")
        }
        told["judged"] = asdict(usage.since(self._usage))
        self._told, self._usage = now, usage
        return json.dumps(told)


class ImagePass(_Worker):
    """First pass: the images of a shard, and which samples are good."""

    def __call__(self, batch: Batch) -> Iterator[Batch]:
        """Rows ``number`` and ``samples`` to what :class:`ShardRead` names."""
        for number, data in zip(batch["number"].tolist(), batch["samples"], strict=True):
            yield _row(self._read(number, bytes(data)))

    def _read(self, number: int, data: bytes) -> dict[str, Any]:
        parts = self.job.parts
        samples = unpacked(data)
        key = parts.key(data, samples)
        before = parts.read(number)
        if before is not None and before[0] == key:
            shard, fresh = before[1], False
        else:
            shard, fresh = self._finish(samples), True
            parts.write_read(number, key, shard, self._shown(samples))
        worded = [i for i in shard.good if not shard.samples[i].is_picture]
        return {
            "number": number,
            "rows": len(shard),
            "bad": len(shard) - len(shard.good),
            "content": b"".join(shard.contents[i] for i in worded) if self.mapper.metrics else b"",
            "fresh": fresh,
            **_here(),
            "told": self._since(),
        }

    def _finish(self, samples: list[Sample]) -> Shard:
        images = self.mapper.images
        with self.mapper.clock("images"):
            (shard,) = prepared_shards(samples, images, max(1, len(samples)))
            shard.finish_images(images)
        release_freed()
        return shard

    def _shown(self, samples: Sequence[Sample]) -> bool:
        """Whether a metric of the second pass looks at the pictures themselves."""
        return any("judge" in metric.spec.needs for metric in self.mapper.metrics)


class SamplePass(_Worker):
    """Second pass: every column of a shard, written where the run is put together from."""

    def __call__(self, batch: Batch) -> Iterator[Batch]:
        """Rows ``number`` and ``foreign`` (contents scored with an earlier shard)."""
        for number, foreign in zip(batch["number"].tolist(), batch["foreign"], strict=True):
            yield _row(self._score(number, _contents(bytes(foreign))))

    def _score(self, number: int, foreign: set[bytes]) -> dict[str, Any]:
        parts = self.job.parts
        found = parts.read(number)
        if found is None:
            raise BadInputError(
                f"{parts.read_file(number)} is gone, which was written a moment ago.",
                "Let nothing else write there, and type the same again.",
            )
        key, shard = found
        fresh = not parts.has_scored(number, key)
        if fresh:
            with _stores_are_shared():
                if foreign:
                    self._fill(shard, foreign)
                else:
                    self._write(number, key, shard)
            release_freed()
        return {
            "number": number,
            "rows": len(shard),
            "bad": len(shard) - len(shard.good),
            "written": not foreign or not fresh,
            "fresh": fresh,
            **_here(),
            "told": self._since(),
        }

    def _fill(self, shard: Shard, foreign: set[bytes]) -> None:
        """Score into the stores what stands in this shard first."""
        own = [i for i in range(len(shard)) if shard.contents[i] not in foreign]
        part = Shard(
            *([rows[i] for i in own] for rows in (shard.samples, shard.errors, shard.image_keys)),
            contents=[shard.contents[i] for i in own],
        )
        self.mapper.columns(part)
        if self.mapper.images.encoder is not None:
            self.mapper.pool_vectors(part)

    def _write(self, number: int, key: str, shard: Shard) -> None:
        mapper, parts = self.mapper, self.job.parts
        columns, notes, vectors = _mapped(shard, mapper)
        with mapper.clock("write"):
            work = parts.begin_scored(number)
            writer = open_writer(work, mapper, self.job.options)
            try:
                writer.write(shard, columns, notes, vectors)
                writer.close()
            except BaseException:
                writer.abandon()
                raise
            parts.end_scored(work, number, key)


def _mapped(shard: Shard, mapper: Mapper) -> Any:
    """As :func:`scoring.engine.map_shard`, the images being through."""
    columns, notes = mapper.columns(shard)
    vectors = mapper.pool_vectors(shard) if mapper.images.encoder is not None else []
    return columns, notes, vectors


@contextmanager
def _stores_are_shared() -> Iterator[None]:
    """Say what is wrong where an image that another node encoded is not found."""
    try:
        yield
    except KeyError as error:
        raise BadInputError(
            f"What another node computed is not in the cache of this one ({error}).",
            "Give a --cache that all nodes see: a folder of a network file system, say.",
        ) from error


def _contents(joined: bytes) -> set[bytes]:
    return {joined[i : i + KEY_BYTES] for i in range(0, len(joined), KEY_BYTES)}


def _here() -> dict[str, Any]:
    import ray

    return {"node": ray.get_runtime_context().get_node_id(), "pid": os.getpid()}


def _row(values: dict[str, Any]) -> Batch:
    row = {}
    for name, value in values.items():
        row[name] = np.empty(1, object) if isinstance(value, bytes) else np.array([value])
        row[name][0] = value
    return row
