"""The mapping pass of a run on Ray: workers write shards, then the run is put together."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from data_cards.errors import BadInputError
from scoring.cluster.assemble import assemble
from scoring.cluster.claims import Claims
from scoring.cluster.connect import (
    ClusterOptions,
    connected,
    refuse_unshared,
    require_ray,
    room_of,
)
from scoring.cluster.parts import VERSION, Parts
from scoring.cluster.reading import Read, shards_of
from scoring.cluster.workers import Job, Make, RepeatPass, ShardPass
from scoring.engine import EngineOptions, Mapped, Mapping, open_mapper
from scoring.images import DECODE_VERSION
from scoring.judge.base import Usage
from scoring.metric import metric_key

AT_HOME = 64
"""Up to so many shards of which only repeats are left are put together by the driver."""
Progress = Callable[[str, int, int | None], None]
OnShard = Callable[[dict[str, Any]], None]


def map_on_ray(
    read: Read,
    make: Make,
    options: EngineOptions,
    cluster: ClusterOptions,
    *,
    seen: dict[str, Path] | None = None,
    identity: Sequence[Any] = (),
    embed: bool | None = None,
    on_shard: OnShard = lambda row: None,
) -> Mapping:
    """The mapping for :func:`scoring.engine.score` that works on a Ray cluster.

    Args:
        read: Gives the samples, on whichever node; it is pickled.
        make: Makes metrics and models, on every worker, given how many of these share a judge; it
            is pickled.
        options: Of the engine; ``options.cache`` must be seen by all nodes.
        cluster: Where, and how large a worker is.
        seen: Files and folders that all nodes must see beside the cache, by what they are.
        identity: What else says which data these are, so that finished shards are used again.
        embed: As for the engine.
        on_shard: Hears of each shard: number, rows, bad, node, pid, fresh, and whether it is
            written or left until others are through.
    """
    return partial(
        _map, _Plan(read, make, options, cluster, seen or {}, tuple(identity), embed, on_shard)
    )


@dataclass(frozen=True)
class _Plan:
    read: Read
    make: Make
    options: EngineOptions
    cluster: ClusterOptions
    seen: dict[str, Path]
    identity: tuple[Any, ...]
    embed: bool | None
    on_shard: OnShard


def _map(plan: _Plan, folder: Path, total: int | None, on_progress: Progress) -> Mapped:
    metrics, models = plan.make(1)
    told = [plan.identity, plan.options.limits, plan.options.thumbnail, plan.options.shard_rows]
    told += [plan.embed, models.encoder and models.encoder.key, DECODE_VERSION, VERSION]
    told += sorted((metric.spec.name, metric_key(metric)) for metric in metrics)
    name = hashlib.sha256(json.dumps(told, default=repr).encode()).hexdigest()[:16]
    parts = Parts((plan.options.cache / "shards" / name).absolute(), name)
    parts.folder.mkdir(parents=True, exist_ok=True)
    seen = {"the cache": parts.folder}
    seen |= {what: path.absolute() for what, path in plan.seen.items()}
    run = uuid.uuid4().hex
    job = Job(plan.make, plan.options, plan.embed, parts, Path.cwd(), seen, run)
    mapped = Mapped(judged=Usage() if models.judge is not None else None)
    with _alone(parts.folder), connected(plan.cluster), _data_settings():
        refuse_unshared(require_ray(), {**seen, "the folder": job.home})
        with _claims() as claims:
            count = _shards(plan, replace(job, claims=claims), mapped, total, on_progress)
        mapper = open_mapper(metrics, models, plan.options, embed=plan.embed)
        try:
            assemble(parts, count, folder, mapper, plan.options, on_progress)
        finally:
            mapper.images.close()
        shutil.rmtree(parts.folder, ignore_errors=True)
    return mapped


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else works on the same shards."""
    import filelock

    path = folder.with_suffix(".lock")
    try:
        with filelock.FileLock(path, timeout=0):
            yield
    except filelock.Timeout as error:
        raise BadInputError(
            f"Another pickwell is scoring the same data with the same options ({path}).",
            "Wait until it is through, or stop it.",
        ) from error
    finally:
        if not folder.exists():
            path.unlink(missing_ok=True)


def _shards(plan: _Plan, job: Job, mapped: Mapped, total: int | None, on_progress: Progress) -> int:
    """All shards, each written; how many there are.

    A shard with samples that another worker is scoring, or has scored, is left until all others
    are through: who opens the stores then finds them.
    """
    import ray

    count = done = 0
    left: list[dict[str, Any]] = []
    data = shards_of(plan.read, plan.options.shard_rows, job.home)
    for row in _rows(data, ShardPass, job, plan.cluster):
        count += 1
        mapped.status.update({"ok": row["rows"] - row["bad"], "bad": row["bad"]})
        if row["written"]:
            done += row["rows"]
        else:
            left.append({"number": row["number"]})
        on_progress("score", done, total if total is None else max(total, done))
        _heard(plan, mapped, row)
    mapped.status = +mapped.status
    if left:
        if len(left) <= AT_HOME and mapped.judged is None:
            told = _at_home(left, job)
        else:
            data = ray.data.from_items(left, override_num_blocks=len(left))
            told = _rows(data, RepeatPass, job, plan.cluster)
        for row in told:
            done += row["rows"]
            on_progress("score", done, total if total is None else max(total, done))
            _heard(plan, mapped, row)
    return count


def _at_home(left: Sequence[dict[str, Any]], job: Job) -> Iterator[dict[str, Any]]:
    """The same in this process: everything is computed, and workers would only have to start."""
    here = RepeatPass(job, at_home=True)
    try:
        for item in left:
            yield from here.tell(item["number"])
    finally:
        here.close()


@contextmanager
def _claims() -> Iterator[Any]:
    """The actor that knows which shard scores what, where the driver is: it dies with it only."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    remote: Any = ray.remote(num_cpus=0)(Claims)
    actor = remote.options(scheduling_strategy=here).remote()
    try:
        yield actor
    finally:
        ray.kill(actor)


def _rows(data: Any, worker: type, job: Job, cluster: ClusterOptions) -> Iterator[dict[str, Any]]:
    """What workers say of the shards, as they finish."""
    import ray
    from ray.data import ActorPoolStrategy

    room = room_of(ray, cluster)  # nodes come and go
    job = replace(job, workers=max(1, room.now), cpus=int(room.worker_cpus), gpus=room.worker_gpus)
    pool = ActorPoolStrategy(
        min_size=1,
        max_size=room.max_workers,
        initial_size=max(1, room.now),
        max_tasks_in_flight_per_actor=2,
    )
    mapped = data.map_batches(
        worker,
        fn_constructor_args=(job,),
        batch_size=1,
        compute=pool,
        num_cpus=room.worker_cpus,
        num_gpus=room.worker_gpus or None,
    )
    try:
        yield from mapped.iter_rows()
    except (ray.exceptions.RayError, RuntimeError) as error:
        cause = _cause(error)
        raise cause from (None if cause is error else error)


@contextmanager
def _data_settings() -> Iterator[None]:
    """Ray Data's settings for this run; it takes them over when a data set is made."""
    from ray.data import DataContext

    wanted = {
        "enable_progress_bars": False,
        "print_on_execution_start": False,
        # a shard is handed on by itself, never waiting for its neighbours
        "target_max_block_size": 1,
        # one shard may take a judge an hour
        "execution_no_progress_timeout_s": -1,
    }
    context = DataContext.get_current()
    wanted = {name: value for name, value in wanted.items() if hasattr(context, name)}
    before = {name: getattr(context, name) for name in wanted}
    level = logging.getLogger("ray.data").level
    try:
        for name, value in wanted.items():
            setattr(context, name, value)
        logging.getLogger("ray.data").setLevel(logging.CRITICAL + 1)  # what fails is told once
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
        if isinstance(inner, OSError) and not isinstance(inner, ConnectionError):
            said = OSError(inner.errno, inner.strerror)
            said.filename = inner.filename or "a file on a worker"
            return said
        seen = seen.__cause__ or (inner if isinstance(inner, BaseException) else None)
    return error


def _heard(plan: _Plan, mapped: Mapped, row: dict[str, Any]) -> None:
    told = json.loads(row.pop("told"))
    mapped.computed.update(told["computed"])
    mapped.unfinished.update(told["unfinished"])
    for name, seconds in told["seconds"].items():
        mapped.seconds[name] = mapped.seconds.get(name, 0.0) + seconds
    if mapped.judged is not None and "judged" in told:
        mapped.judged = _sum(mapped.judged, told["judged"])
    plan.on_shard(row)


def _sum(usage: Usage, more: dict[str, Any]) -> Usage:
    names = [one.name for one in fields(usage) if one.name != "reasons"]
    added = {name: getattr(usage, name) + more[name] for name in names}
    return Usage(**added, reasons=usage.reasons + Counter(more["reasons"]))
