"""A Ray cluster to work on: one that is there, or one started on this machine for the purpose."""

from __future__ import annotations

import importlib.metadata
import logging
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_cards.errors import BadInputError

SMALLEST = 1e-4
"""Ray counts in ten-thousandths."""
MOST_CPUS = 4
"""Processors of a worker at most, unless more are asked for: more help one model little."""
LOG_LEVEL = "RAY_BACKEND_LOG_LEVEL"
"""Ray's core writes errors to the user's terminal, one about Ray Data's own actors at every start
(github.com/ray-project/ray/issues/53727). Its level can be set for file and terminal together only;
what workers say of shards comes back as their answers."""
WORKER_MEMORY = 3e9
"""Bytes that a worker is taken to need: 2.1 to 2.8e9 were seen with all default metrics. Where
every processor has so much to itself a worker is given one: threads of one process wait for each
other."""


@dataclass(frozen=True)
class ClusterOptions:
    """Where to work, and how large a worker is.

    Attributes:
        address: ``host:port`` or ``auto`` of a running cluster; ``None``: one is started here.
        worker_cpus: Processors of a worker; ``None``: on a processor one, or as many as it takes
            to have 3 GB of memory; beside a GPU as many as a node has; never more than 4.
        worker_gpus: GPUs of a worker, also a part of one; ``None``: one, if there are any.
        max_workers: At most so many; ``None``: as many as there is room for, now or later.
    """

    address: str | None = None
    worker_cpus: float | None = None
    worker_gpus: float | None = None
    max_workers: int | None = None


@dataclass(frozen=True)
class Room:
    """What a cluster has, and what a worker takes of it.

    Attributes:
        worker_cpus: Of each worker.
        worker_gpus: Of each worker.
        fits: Workers that there is room for now.
        max_workers: At most so many, ever; ``None``: no limit.
    """

    worker_cpus: float
    worker_gpus: float
    fits: int
    max_workers: int | None

    @property
    def now(self) -> int:
        """Workers to begin with."""
        return min(self.fits, self.max_workers or self.fits)


def _cpus_for_memory(node: Mapping[str, Any]) -> float:
    """Processors of a node that go with the memory of one worker; 1 where that is not known."""
    cpus, memory = float(node.get("CPU", 0)), float(node.get("memory", 0))
    return float(max(1, math.ceil(cpus * WORKER_MEMORY / memory))) if memory else 1.0


@contextmanager
def connected(options: ClusterOptions) -> Iterator[Room]:
    """Connect to the cluster, or start one here and stop it in the end.

    Raises:
        BadInputError: Ray is not installed, nothing answers at the address, or a worker of the
            size asked for fits on no node.
    """
    ray = require_ray()
    ours = not ray.is_initialized()
    if ours:
        _start(ray, options.address)
    try:
        yield room_of(ray, options)
    finally:
        if ours:
            ray.shutdown()


def require_ray() -> Any:
    """The module ``ray``.

    Raises:
        BadInputError: It is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise BadInputError(
            f"Ray is not installed ({error}).", "Install it: pip install 'pickwell[ray]'"
        ) from error
    return ray


def room_of(ray: Any, options: ClusterOptions) -> Room:
    """What there is room for.

    Raises:
        BadInputError: A worker of the size asked for fits on no node.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    cpus = [float(node.get("CPU", 0)) for node in nodes]
    gpus = [float(node.get("GPU", 0)) for node in nodes]
    working = [count for count in cpus if count > 0]
    if not working:
        raise BadInputError(
            "The cluster has no processors.", "Start nodes: ray start --address=..."
        )
    worker_gpus = options.worker_gpus
    if worker_gpus is None:
        worker_gpus = 1.0 if max(gpus) >= 1 else 0.0
    worker_cpus = options.worker_cpus
    if worker_cpus is None:
        most = min(float(MOST_CPUS), min(working))
        worker_cpus = most if worker_gpus else min(most, max(map(_cpus_for_memory, nodes)))
    for name, size in (("--worker-cpus", worker_cpus), ("--worker-gpus", worker_gpus)):
        if (size > 1 and size != int(size)) or 0 < size < SMALLEST:
            raise BadInputError(
                f"{name} {size:g} cannot be had.", "Give a whole number, or a part of one."
            )
    fits = 0
    for node in nodes:
        by_cpu = node.get("CPU", 0) // worker_cpus
        by_gpu = node.get("GPU", 0) // worker_gpus if worker_gpus else by_cpu
        fits += int(min(by_cpu, by_gpu))
    if not fits:
        has = ", ".join(f"{node.get('CPU', 0):g} CPU {node.get('GPU', 0):g} GPU" for node in nodes)
        raise BadInputError(
            f"A worker of {worker_cpus:g} CPU and {worker_gpus:g} GPU fits on no node ({has}).",
            "Ask for less with --worker-cpus and --worker-gpus.",
        )
    return Room(worker_cpus, worker_gpus, fits, options.max_workers)


def _start(ray: Any, address: str | None) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address is not None and address.startswith("ray://"):
        raise BadInputError(
            f"{address} is the address of Ray's client server, which is not supported.",
            "Run pickwell on a node of the cluster, with --address auto.",
        )
    given: dict[str, Any] = {"include_dashboard": False} if address is None else {}
    try:
        with _quiet_core():
            ray.init(
                address=address or "local",
                logging_level=logging.ERROR,
                log_to_driver=False,
                **given,
            )
    except (ConnectionError, RuntimeError, ValueError, TimeoutError, ray.exceptions.RayError) as e:
        said = [line for error in (e, e.__cause__) if error for line in str(error).splitlines()]
        why = next((line.strip() for line in said if line.strip()), type(e).__name__)
        if address is None:
            raise BadInputError(
                f"Ray cannot be started on this machine: {why}",
                f"Look at its logs in /tmp/ray; with {LOG_LEVEL}=info more is written there.",
            ) from e
        raise BadInputError(
            f"No Ray cluster answers at {address}: {why}",
            "Start one with `ray start --head` and run pickwell on one of its nodes; or leave "
            "--address out to work on this machine.",
        ) from e


@contextmanager
def _quiet_core() -> Iterator[None]:
    """Ray's core starts quiet, unless the user set its level; all else that is written appears."""
    if LOG_LEVEL in os.environ:
        yield
        return
    os.environ[LOG_LEVEL] = "fatal"
    with tempfile.TemporaryFile() as held:
        screen = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(screen, 2)
            os.close(screen)
            held.seek(0)
            for line in held:
                if LOG_LEVEL.encode() not in line:  # in which it says that its level was set
                    os.write(2, line)


def refuse_unshared(ray: Any, folders: dict[str, Path]) -> None:
    """See that every node finds the folders that all of them work in.

    Args:
        ray: The module, connected.
        folders: What each is, and where.

    Raises:
        BadInputError: A node does not.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    def lacks(paths: dict[str, str], version: str) -> str | None:
        try:
            there = importlib.metadata.version("pickwell")
        except importlib.metadata.PackageNotFoundError:
            return "has no pickwell"
        if there != version:
            return f"has pickwell {there}, this is {version}"
        missing = next((what for what, path in paths.items() if not Path(path).exists()), None)
        return f"does not see {missing} {paths[missing]}" if missing is not None else None

    paths = {what: str(path.absolute()) for what, path in folders.items()}
    version = importlib.metadata.version("pickwell")
    task = ray.remote(num_cpus=0)(lacks)
    asked = {}
    for node in ray.nodes():
        if node["Alive"]:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            name = f"{node['NodeManagerAddress']} ({node['NodeID'][:8]})"
            asked[name] = task.options(scheduling_strategy=there).remote(paths, version)
    for host, answer in asked.items():
        try:
            why = ray.get(answer)
        except ray.exceptions.TaskUnschedulableError:
            continue  # it has left the cluster since
        if why is not None:
            raise BadInputError(
                f"The node {host} {why}.",
                "All nodes need the same pickwell, and must reach the same files under the same "
                "paths: a network file system, say.",
            )
