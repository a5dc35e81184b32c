"""The mapping pass of a run on Ray: two passes of workers, then the run is put together."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from data_cards.errors import BadInputError
from scoring.cluster.assemble import assemble
from scoring.cluster.connect import ClusterOptions, Room, connected, refuse_unshared, require_ray
from scoring.cluster.parts import Parts
from scoring.cluster.reading import Read, shards_of
from scoring.cluster.workers import ImagePass, Job, Make, SamplePass
from scoring.engine import EngineOptions, Mapped, Mapping, open_mapper
from scoring.judge.base import Usage
from scoring.metric import metric_key
from scoring.store import KEY_BYTES

Progress = Callable[[str, int, int | None], None]
OnShard = Callable[[dict[str, Any]], None]


def map_on_ray(
    read: Read,
    make: Make,
    options: EngineOptions,
    cluster: ClusterOptions,
    *,
    source: Path | None = None,
    identity: Sequence[Any] = (),
    embed: bool | None = None,
    on_shard: OnShard = lambda row: None,
) -> Mapping:
    """The mapping for :func:`scoring.engine.score` that works on a Ray cluster.

    Args:
        read: Gives the samples, on whichever node; it is pickled.
        make: Makes metrics and models, on every worker; it is pickled.
        options: Of the engine; ``options.cache`` must be seen by all nodes.
        cluster: Where, and how large a worker is.
        source: File or folder of the data that all nodes must see; ``None``: none need to.
        identity: What else says which data these are, so that finished shards are used again.
        embed: As for the engine.
        on_shard: Hears of each finished shard: pass, number, rows, node, pid, fresh.
    """
    return partial(
        _map, _Plan(read, make, options, cluster, source, tuple(identity), embed, on_shard)
    )


@dataclass(frozen=True)
class _Plan:
    read: Read
    make: Make
    options: EngineOptions
    cluster: ClusterOptions
    source: Path | None
    identity: tuple[Any, ...]
    embed: bool | None
    on_shard: OnShard


@dataclass
class _Shards:
    """What the driver knows of the shards, by number."""

    rows: dict[int, int] = field(default_factory=dict)
    content: dict[int, bytes] = field(default_factory=dict)

    def foreign(self) -> list[bytes]:
        """Per shard, the contents that an earlier shard has, too."""
        seen: set[bytes] = set()
        lists = []
        for number in range(len(self.rows)):
            joined = self.content.pop(number)
            own = dict.fromkeys(joined[i : i + KEY_BYTES] for i in range(0, len(joined), KEY_BYTES))
            lists.append(b"".join(key for key in own if key in seen))
            seen.update(own)
        return lists


def _map(plan: _Plan, folder: Path, total: int | None, on_progress: Progress) -> Mapped:
    metrics, models = plan.make()
    told = [plan.identity, plan.options.limits, plan.options.thumbnail, plan.options.shard_rows]
    told += [plan.embed, models.encoder and models.encoder.key]
    told += sorted((metric.spec.name, metric_key(metric)) for metric in metrics)
    name = hashlib.sha256(json.dumps(told, default=repr).encode()).hexdigest()[:16]
    parts = Parts((plan.options.cache / "shards" / name).absolute(), name)
    parts.folder.mkdir(parents=True, exist_ok=True)
    job = Job(plan.make, plan.options, plan.embed, parts)
    mapped = Mapped(judged=Usage() if models.judge is not None else None)
    with connected(plan.cluster) as room, _data_settings():
        seen = {"the cache": parts.folder}
        if plan.source is not None:
            seen["the data"] = plan.source
        refuse_unshared(require_ray(), seen)
        shards = _images(plan, job, room, mapped, total, on_progress)
        _samples(plan, job, room, mapped, shards, on_progress)
    mapper = open_mapper(metrics, models, plan.options, embed=plan.embed)
    try:
        assemble(parts, len(shards.rows), folder, mapper, plan.options, on_progress)
    finally:
        mapper.images.close()
    shutil.rmtree(parts.folder, ignore_errors=True)
    return mapped


def _images(
    plan: _Plan, job: Job, room: Room, mapped: Mapped, total: int | None, on_progress: Progress
) -> _Shards:
    shards = _Shards()
    data = shards_of(plan.read, plan.options.shard_rows)
    done = 0
    for row in _rows(data, ImagePass, job, room):
        shards.rows[row["number"]] = row["rows"]
        shards.content[row["number"]] = row["content"]
        mapped.status.update({"ok": row["rows"] - row["bad"], "bad": row["bad"]})
        done += row["rows"]
        on_progress("images", done, total if total is None else max(total, done))
        _heard(plan, mapped, "images", row)
    mapped.status = +mapped.status
    return shards


def _samples(
    plan: _Plan, job: Job, room: Room, mapped: Mapped, shards: _Shards, on_progress: Progress
) -> None:
    """Score; shards with samples that an earlier one has are written when all are scored."""
    import ray

    items = [
        {"number": number, "foreign": foreign} for number, foreign in enumerate(shards.foreign())
    ]
    total, done = sum(shards.rows.values()), 0
    while items:
        data = ray.data.from_items(items, override_num_blocks=len(items))
        left = []
        for row in _rows(data, SamplePass, job, room):
            if row["written"]:
                done += row["rows"]
            else:
                left.append({"number": row["number"], "foreign": b""})
            on_progress("score", done, total)
            _heard(plan, mapped, "samples", row)
        items = left


def _rows(data: Any, worker: type, job: Job, room: Room) -> Iterator[dict[str, Any]]:
    """What workers say of the shards, as they finish."""
    import ray
    from ray.data import ActorPoolStrategy

    pool = ActorPoolStrategy(
        min_size=1,
        max_size=room.max_workers,
        initial_size=max(1, room.now),
        max_tasks_in_flight_per_actor=2,
    )
    mapped = data.map_batches(
        worker,
        fn_constructor_args=(job, int(room.worker_cpus)),
        batch_size=1,
        compute=pool,
        num_cpus=room.worker_cpus,
        num_gpus=room.worker_gpus or None,
    )
    try:
        yield from mapped.iter_rows()
    except (ray.exceptions.RayError, RuntimeError) as error:
        raise _cause(error) from error


@contextmanager
def _data_settings() -> Iterator[None]:
    """Ray Data's settings for this run; it takes them over when a data set is made."""
    from ray.data import DataContext

    wanted = {
        "enable_progress_bars": False,
        "print_on_execution_start": False,
        # a shard is handed on by itself, never waiting for its neighbours
        "target_max_block_size": 1,
    }
    context = DataContext.get_current()
    before = {name: getattr(context, name) for name in wanted}
    level = logging.getLogger("ray.data").level
    try:
        for name, value in wanted.items():
            setattr(context, name, value)
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        yield
    finally:
        for name, value in before.items():
            setattr(context, name, value)
        logging.getLogger("ray.data").setLevel(level)


def _cause(error: BaseException) -> BaseException:
    """The bad input that a worker found, or the error as it is."""
    seen: BaseException | None = error
    while seen is not None:
        inner = getattr(seen, "cause", None)
        for one in (seen, inner):
            if isinstance(one, BadInputError):
                return BadInputError(one.message, one.remedy)
        seen = seen.__cause__ or (inner if isinstance(inner, BaseException) else None)
    return error


def _heard(plan: _Plan, mapped: Mapped, stage: str, row: dict[str, Any]) -> None:
    told = json.loads(row.pop("told"))
    for name in ("computed", "unfinished", "seconds"):
        getattr(mapped, name).update(told[name])
    if mapped.judged is not None:
        mapped.judged = _sum(mapped.judged, told["judged"])
    plan.on_shard({"pass": stage, **{key: row[key] for key in row if key != "content"}})


def _sum(usage: Usage, more: dict[str, Any]) -> Usage:
    added = {name: value + more[name] for name, value in asdict(usage).items() if name != "reasons"}
    reasons = usage.reasons.copy()
    reasons.update(more["reasons"])
    return Usage(**added, reasons=reasons)
