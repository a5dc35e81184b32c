"""What a worker does with a shard: one pass over its images, one over its samples."""

from __future__ import annotations

import json
import os
import platform
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from data_cards.errors import BadInputError
from data_cards.sample import Sample
from scoring.cluster.parts import Parts, unpacked
from scoring.engine import (
    EngineOptions,
    Mapped,
    map_finished,
    mapped_by,
    open_mapper,
    open_writer,
)
from scoring.judge.base import Usage
from scoring.memory import release_freed
from scoring.metric import Metric, Models
from scoring.shards import Shard, prepared_shards
from scoring.store import KEY_BYTES, MissingKeyError

Make = Callable[[int], tuple[list[Metric], Models]]
Batch = dict[str, np.ndarray]


@dataclass(frozen=True)
class Job:
    """What every worker of a run is told.

    Attributes:
        make: Makes metrics and models, given how many workers share a judge; it and what it holds
            travel to the workers.
        options: Of the engine.
        embed: As for :func:`scoring.engine.open_mapper`.
        parts: Where finished shards lie.
        home: The driver's working directory, which relative paths start from.
        seen: What a node must see, by what it is.
        run: Of this run alone.
        workers: How many there are at the start.
        cpus: Of a worker.
        gpus: Likewise.
    """

    make: Make
    options: EngineOptions
    embed: bool | None
    parts: Parts
    home: Path
    seen: Mapping[str, Path]
    run: str
    workers: int = 1
    cpus: int = 1
    gpus: float = 0.0


class _Worker:
    """Opens models and stores once; loads weights when they are first needed.

    What is wrong with the node is told when the first shard comes: Ray passes on what goes wrong
    there, and not what goes wrong here.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self._told = Mapped()
        self._refused: BadInputError | None = None
        if not job.gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""  # or every worker takes the first one
        try:
            self._open()
        except BadInputError as error:
            self._refused = error

    def _open(self) -> None:
        job = self.job
        go_home(job.home)
        for what, path in job.seen.items():
            if not path.exists():
                raise BadInputError(
                    f"The node {platform.node()} does not see {what} {path}.",
                    "All nodes must reach it under the same path: a network file system, say.",
                )
        self.metrics, self.models = job.make(job.workers)
        options = replace(job.options, workers=job.options.workers or max(1, job.cpus))
        self.mapper = open_mapper(self.metrics, self.models, options, embed=job.embed)
        self._usage = self._used()

    def _ready(self) -> None:
        if self._refused is not None:
            raise self._refused

    def _used(self) -> Usage:
        judge = self.models.judge
        return judge.usage.copy() if judge is not None else Usage()

    def _since(self) -> dict[str, Any]:
        """What was computed since it was last asked."""
        now = mapped_by(self.mapper, Counter(), None)
        used = self._used()
        took = used.since(self._usage)
        judged = {one.name: getattr(took, one.name) for one in fields(took)}
        unfinished = more(now.unfinished, self._told.unfinished)
        told = {
            "computed": more(now.computed, self._told.computed),
            "unfinished": {name: count for name, count in unfinished.items() if count},
            "seconds": more(now.seconds, self._told.seconds),
            "judged": judged | {"reasons": dict(took.reasons)},
        }
        self._told, self._usage = now, used
        return told


class ImagePass(_Worker):
    """First pass: the images of a shard, and which samples are good."""

    def __call__(self, batch: Batch) -> Iterator[Batch]:
        """Rows ``number`` and ``samples`` to what is known of each shard."""
        self._ready()
        for number, data in zip(batch["number"].tolist(), batch["samples"], strict=True):
            yield _row(self._read(number, bytes(data)))

    def _read(self, number: int, data: bytes) -> dict[str, Any]:
        parts = self.job.parts
        samples = unpacked(data)
        key = parts.key(data, samples)
        before = parts.read(number)
        if before is not None and before[0] == key and self._complete(before[1]):
            shard, fresh = before[1], False
        else:
            shard, fresh = self._finish(samples), True
            parts.write_read(number, key, shard, self._shown())
        worded = [i for i in shard.good if not shard.samples[i].is_picture]
        return {
            "number": number,
            "rows": len(shard),
            "bad": len(shard) - len(shard.good),
            "content": b"".join(shard.contents[i] for i in worded) if self.mapper.metrics else b"",
            "fresh": fresh,
            **_here(),
            "told": json.dumps(self._since()),
        }

    def _complete(self, shard: Shard) -> bool:
        """Whether the stores still hold what was computed for a shard that was through."""
        images = self.mapper.images
        every = {key for row in shard.image_keys for key in row}
        good = {key for i in shard.good for key in shard.image_keys[i]}
        stores = [*images.measured.values(), *([images.vectors] if images.vectors else [])]
        return all(key in images.facts for key in every) and all(
            key in store for store in stores for key in good
        )

    def _finish(self, samples: list[Sample]) -> Shard:
        images = self.mapper.images
        with self.mapper.clock("images"):
            (shard,) = prepared_shards(samples, images, max(1, len(samples)))
            shard.finish_images(images)
        release_freed()
        return shard

    def _shown(self) -> bool:
        """Whether a metric of the second pass looks at the pictures themselves."""
        return any("judge" in metric.spec.needs for metric in self.mapper.metrics)


class SamplePass(_Worker):
    """Second pass: every column of a shard, written where the run is put together from."""

    def __call__(self, batch: Batch) -> Iterator[Batch]:
        """Rows ``number`` and ``foreign`` (contents scored with an earlier shard)."""
        self._ready()
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
        before = parts.told(number) if parts.has_scored(number, key) else None
        # rows that failed for now are asked again by the next run, not by this one
        again = before is not None and before.get("unfinished") and before["run"] != self.job.run
        fresh = before is None or bool(again)
        if fresh:
            try:
                told = self._map(number, key, shard, foreign)
            except MissingKeyError:
                self._open()  # what others stored since this worker opened the stores
                with _stores_are_shared():
                    told = self._map(number, key, shard, foreign)
            release_freed()
        else:
            assert before is not None
            told = {"computed": {}, "seconds": {}, "unfinished": before.get("unfinished", {})}
        return {
            "number": number,
            "rows": len(shard),
            "bad": len(shard) - len(shard.good),
            "written": not foreign or not fresh,
            "fresh": fresh,
            **_here(),
            "told": json.dumps(told),
        }

    def _map(self, number: int, key: str, shard: Shard, foreign: set[bytes]) -> dict[str, Any]:
        if foreign:
            self._fill(shard, foreign)
            return self._since() | {"unfinished": {}}  # they are counted when it is written
        return self._write(number, key, shard)

    def _fill(self, shard: Shard, foreign: set[bytes]) -> None:
        """Score into the stores what stands in this shard first."""
        own = [i for i in range(len(shard)) if shard.contents[i] not in foreign]
        part = Shard(
            [shard.samples[i] for i in own],
            [shard.errors[i] for i in own],
            [shard.image_keys[i] for i in own],
            [shard.contents[i] for i in own],
        )
        map_finished(part, self.mapper)

    def _write(self, number: int, key: str, shard: Shard) -> dict[str, Any]:
        mapper, parts = self.mapper, self.job.parts
        columns, notes, vectors = map_finished(shard, mapper)
        with mapper.clock("write"):
            work = parts.begin_scored(number)
            writer = open_writer(work, mapper, self.job.options)
            try:
                writer.write(shard, columns, notes, vectors)
                writer.close()
            except BaseException:
                writer.abandon()
                raise
        told = self._since()
        parts.end_scored(work, number, key, told | {"run": self.job.run})
        return told


@contextmanager
def _stores_are_shared() -> Iterator[None]:
    """Say what is wrong where an image that another node encoded is not found."""
    try:
        yield
    except MissingKeyError as error:
        raise BadInputError(
            f"What another node computed is not in the cache of this one ({error}).",
            "Give a --cache that all nodes see: a folder of a network file system, say.",
        ) from error


def go_home(home: Path) -> None:
    """Work where the driver does, so that relative paths mean the same.

    Raises:
        BadInputError: The folder is not there.
    """
    try:
        os.chdir(home)
    except OSError as error:
        raise BadInputError(
            f"The node {platform.node()} does not see the folder {home} that pickwell was started "
            f"in ({error.strerror}).",
            "Start it in a folder that all nodes see.",
        ) from error


def more(now: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """What came on top, by name; nothing that is 0 is left out."""
    return {name: value - before.get(name, 0) for name, value in now.items()}


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
