"""What a worker does with a shard: its images first; its samples when all images are through."""

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
ALL_READ, IMAGES, SAMPLES, LEFT = -1, 0, 1, 2
"""Phases of the work: every shard is read; images; samples; shards that repeat earlier ones'."""


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


class Worker:
    """Opens models once and stores once a phase; loads weights when they are first needed.

    What is wrong with the node is told when the first shard comes: Ray passes on what goes wrong
    there, and not what goes wrong here.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self._phase = IMAGES
        self._refused: BadInputError | None = None
        if not job.gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""  # or every worker takes the first one
        try:
            self._check()
            self.metrics, self.models = job.make(job.workers)
            self._open()
        except BadInputError as error:
            self._refused = error

    def __call__(self, batch: Batch) -> Iterator[Batch]:
        """Items of work (``phase``, ``number``, ``data``) to what is known of each shard."""
        if self._refused is not None:
            raise self._refused
        for phase, number, data in zip(
            batch["phase"].tolist(), batch["number"].tolist(), batch["data"], strict=True
        ):
            yield _row({"phase": phase, "number": number} | self._done(phase, number, bytes(data)))

    def _done(self, phase: int, number: int, data: bytes) -> dict[str, Any]:
        if phase == ALL_READ:
            return _told()
        if phase > self._phase:  # what other workers stored in the phase before
            self._reopen()
            self._phase = phase
        return self._read(number, data) if phase == IMAGES else self._score(number, _contents(data))

    def _check(self) -> None:
        job = self.job
        go_home(job.home)
        for what, path in job.seen.items():
            if not path.exists():
                raise BadInputError(
                    f"The node {platform.node()} does not see {what} {path}.",
                    "All nodes must reach it under the same path: a network file system, say.",
                )

    def _open(self) -> None:
        job = self.job
        options = replace(job.options, workers=job.options.workers or max(1, job.cpus))
        self.mapper = open_mapper(self.metrics, self.models, options, embed=job.embed)
        self._counted = Mapped()
        self._usage = self._used()

    def _reopen(self) -> None:
        """Open the stores anew; models stay."""
        self.mapper.images.close()
        self._open()

    def _used(self) -> Usage:
        judge = self.models.judge
        return judge.usage.copy() if judge is not None else Usage()

    def _since(self) -> dict[str, Any]:
        """What was computed since it was last asked."""
        now = mapped_by(self.mapper, Counter(), None)
        used = self._used()
        took = used.since(self._usage)
        judged = {one.name: getattr(took, one.name) for one in fields(took)}
        unfinished = more(now.unfinished, self._counted.unfinished)
        told = {
            "computed": more(now.computed, self._counted.computed),
            "unfinished": {name: count for name, count in unfinished.items() if count},
            "seconds": more(now.seconds, self._counted.seconds),
            "judged": judged | {"reasons": dict(took.reasons)},
        }
        self._counted, self._usage = now, used
        return told

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
        content = b"".join(shard.contents[i] for i in worded) if self.mapper.metrics else b""
        return _told(shard, self._since(), content=content, fresh=fresh)

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
                self._reopen()  # what others stored since this worker opened the stores
                with _stores_are_shared():
                    told = self._map(number, key, shard, foreign)
            release_freed()
        else:
            assert before is not None
            told = {"computed": {}, "seconds": {}, "unfinished": before.get("unfinished", {})}
        return _told(shard, told, written=not foreign or not fresh, fresh=fresh)

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


def _told(
    shard: Shard | None = None,
    told: Mapping[str, Any] | None = None,
    *,
    content: bytes = b"",
    written: bool = False,
    fresh: bool = False,
) -> dict[str, Any]:
    """What the driver hears of a shard; the same columns in every phase."""
    import ray

    rows = 0 if shard is None else len(shard)
    return {
        "rows": rows,
        "bad": 0 if shard is None else rows - len(shard.good),
        "content": content,
        "written": written,
        "fresh": fresh,
        "node": ray.get_runtime_context().get_node_id(),
        "pid": os.getpid(),
        "told": json.dumps(told or {}),
    }


def _row(values: dict[str, Any]) -> Batch:
    row = {}
    for name, value in values.items():
        row[name] = np.empty(1, object) if isinstance(value, bytes) else np.array([value])
        row[name][0] = value
    return row
