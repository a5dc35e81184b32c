"""What a worker does with a shard: its images, then its samples, then its files."""

from __future__ import annotations

import json
import os
import platform
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from data_cards.errors import BadInputError
from data_cards.sample import Sample
from scoring.cluster.claims import ANYBODY, NOBODY, split
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
from scoring.store import MissingKeyError

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
        claims: Handle of the actor :class:`scoring.cluster.claims.Claims`.
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
    claims: Any = None
    workers: int = 1
    cpus: int = 1
    gpus: float = 0.0


class _Worker:
    """Opens models and stores once; loads weights when they are first needed.

    What is wrong with the node is told when the first shard comes: Ray passes on what goes wrong
    there, and not what goes wrong here.
    """

    def __init__(self, job: Job, at_home: bool = False) -> None:
        self.job = job
        self.me = uuid.uuid4().hex
        self._told = Mapped()
        self._refused: BadInputError | None = None
        if not job.gpus and not at_home:
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

    def close(self) -> None:
        """End its threads; a worker's end with its process."""
        if self._refused is None:
            self.mapper.images.close()

    def _ready(self) -> None:
        if self._refused is not None:
            raise self._refused

    def _used(self) -> Usage:
        judge = self.models.judge
        return judge.usage.copy() if judge is not None else Usage()

    def _before(self, number: int, key: str) -> dict[str, Any] | None:
        """What to say of a shard that is through already; else ``None``."""
        parts = self.job.parts
        if not parts.has_scored(number, key):
            return None
        before = parts.told(number)
        # rows that failed for now are asked again by the next run, not by this one
        if before.get("unfinished") and before["run"] != self.job.run:
            return None
        # written in this run and done again: its worker died before it could say so
        by = NOBODY if before.get("run") == self.job.run else ANYBODY
        unfinished = before.get("unfinished", {})
        return {"computed": {}, "seconds": {}, "unfinished": unfinished, "by": by}

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


class ShardPass(_Worker):
    """A shard from its records to its columns, written where the run is put together from."""

    def __call__(self, batch: Batch) -> Iterator[Batch]:
        """Rows ``number`` and ``samples`` to what is known of each shard."""
        self._ready()
        for number, data in zip(batch["number"].tolist(), batch["samples"], strict=True):
            yield _row(self._shard(number, bytes(data)))

    def _shard(self, number: int, data: bytes) -> dict[str, Any]:
        samples = unpacked(data)
        key = self.job.parts.key(data, samples)
        shard, fresh = self._read(number, key, samples)
        words = b"".join(shard.contents[i] for i in shard.good if not shard.samples[i].is_picture)
        foreign = self._claim(number, words if self.mapper.metrics else b"")
        told = self._before(number, key)
        scored = told is None
        if told is None:
            told = self._fill(shard, foreign) if foreign else self._write(number, key, shard)
            release_freed()
        self._stored(number, self.me if scored else told["by"])
        written = not (scored and foreign)
        return _said(number, shard, fresh or scored, written, told)

    def _read(self, number: int, key: str, samples: list[Sample]) -> tuple[Shard, bool]:
        """The shard with its images through, and whether that had to be done."""
        parts = self.job.parts
        before = parts.read(number)
        if before is not None and before[0] == key and self._complete(before[1]):
            return before[1], False
        images = self.mapper.images
        with self.mapper.clock("images"):
            (shard,) = prepared_shards(samples, images, max(1, len(samples)))
            shard.finish_images(images)
        parts.write_read(number, key, shard, self._shown())
        return shard, True

    def _complete(self, shard: Shard) -> bool:
        """Whether the stores still hold what was computed for a shard that was through."""
        images = self.mapper.images
        every = {key for row in shard.image_keys for key in row}
        good = {key for i in shard.good for key in shard.image_keys[i]}
        stores = [*images.measured.values(), *([images.vectors] if images.vectors else [])]
        return all(key in images.facts for key in every) and all(
            key in store for store in stores for key in good
        )

    def _shown(self) -> bool:
        """Whether a metric looks at the pictures themselves."""
        return any("judge" in metric.spec.needs for metric in self.mapper.metrics)

    def _claim(self, number: int, contents: bytes) -> set[bytes]:
        import ray

        assert self.job.claims is not None
        foreign: bytes = ray.get(self.job.claims.claim.remote(number, contents, self.me))
        return set(split(foreign))

    def _stored(self, number: int, worker: str) -> None:
        import ray

        assert self.job.claims is not None
        ray.get(self.job.claims.stored.remote(number, worker))

    def _fill(self, shard: Shard, foreign: set[bytes]) -> dict[str, Any]:
        """Score into the stores what no other shard has claimed."""
        own = [i for i in range(len(shard)) if shard.contents[i] not in foreign]
        part = Shard(
            [shard.samples[i] for i in own],
            [shard.errors[i] for i in own],
            [shard.image_keys[i] for i in own],
            [shard.contents[i] for i in own],
        )
        map_finished(part, self.mapper)
        return self._since() | {"unfinished": {}}  # they are counted when it is written


class RepeatPass(_Worker):
    """What was left of the first pass: shards with samples that other workers have scored."""

    def __call__(self, batch: Batch) -> Iterator[Batch]:
        """Rows ``number`` to what is known of each shard."""
        for number in batch["number"].tolist():
            yield from map(_row, self.tell(number))

    def tell(self, number: int) -> Iterator[dict[str, Any]]:
        """Do one, and say what is known of it."""
        self._ready()
        yield self._again(number)

    def _again(self, number: int) -> dict[str, Any]:
        parts = self.job.parts
        found = parts.read(number)
        if found is None:
            raise BadInputError(
                f"{parts.read_file(number)} is gone, which was written a moment ago.",
                "Let nothing else write there, and type the same again.",
            )
        key, shard = found
        told = self._before(number, key)
        fresh = told is None
        if told is None:
            with _stores_are_shared():
                told = self._write(number, key, shard)
            release_freed()
        return _said(number, shard, fresh, True, told)


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


def _said(
    number: int, shard: Shard, fresh: bool, written: bool, told: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "number": number,
        "rows": len(shard),
        "bad": len(shard) - len(shard.good),
        "fresh": fresh,
        "written": written,
        **_here(),
        "told": json.dumps(told),
    }


def _here() -> dict[str, Any]:
    import ray

    return {"node": ray.get_runtime_context().get_node_id(), "pid": os.getpid()}


def _row(values: dict[str, Any]) -> Batch:
    return {name: np.array([value]) for name, value in values.items()}
