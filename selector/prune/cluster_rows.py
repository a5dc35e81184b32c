"""Passes over all rows of a mapped file by the workers of a Ray cluster: parts, sums put together.

Each task maps its part of the file, on whichever node it runs, and the sums of parts are added up
by further tasks, a few at a time, so that the driver sees one. Sums are exact
(:mod:`selector.prune.lloyd`): the prototypes are those of one machine, to the bit, whatever dies
and is done again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from data_cards.errors import BadInputError
from selector.prune.grid import checked
from selector.prune.lloyd import Sums, reduce
from selector.prune.starts import Sample, merge_samples
from selector.prune.streams import Rows, one_thread_each

LEAST_ROWS = 8192
"""Rows of a part, at least: a task costs a few milliseconds."""
PARTS_PER_CPU = 4
"""Parts for each processor, so that a slow node holds up little."""
FAN_IN = 8
"""Sums that one task adds up."""
SUMS_SHARE = 0.3
"""Of the memory for objects of all nodes together, what an iteration's partial sums may take."""


@dataclass(frozen=True)
class ClusterRows:
    """Rows of a ``.npy`` file that every node sees; Ray must be connected.

    Attributes:
        file: (n, d) float16 or float32.
        usable: (n,) true where a row counts; ``None``: all do.
        part_rows: Rows of a part; ``None``: as suits the cluster. It changes no result.
    """

    file: Path
    usable: np.ndarray | None = None
    part_rows: int | None = None
    _parts: list[tuple[slice, np.ndarray | None]] = field(init=False, repr=False)
    _scales: list[Any] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        import ray

        rows = len(checked(np.load(self.file, mmap_mode="r")))
        cpus = max(1, int(ray.cluster_resources().get("CPU", 1)))
        size = self.part_rows or max(LEAST_ROWS, -(-rows // (cpus * PARTS_PER_CPU)))
        parts = [slice(start, min(start + size, rows)) for start in range(0, rows, size)]
        mask = self.usable
        cut = [(part, None if mask is None else mask[part]) for part in parts]
        object.__setattr__(self, "_parts", cut)
        scales: Any = ray.remote(num_cpus=1, max_retries=-1)(_scales)
        file = str(self.file.absolute())
        object.__setattr__(self, "_scales", [scales.remote(file, part) for part in parts])

    def __len__(self) -> int:
        return self._parts[-1][0].stop if self._parts else 0

    def sums(self, centres: np.ndarray) -> Sums:
        """Assign every row to the nearest prototype and sum: one iteration's work."""
        import ray

        if not self._parts:
            return Sums(np.zeros(centres.shape, np.int64), np.zeros(len(centres), np.int64))
        # large sums are few: a task then goes over several parts
        room = SUMS_SHARE * ray.cluster_resources().get("object_store_memory", 2**31)
        together = max(1, math.ceil(len(self._parts) * centres.size * 8 / room))
        file, shared = str(self.file.absolute()), ray.put(centres)
        work: Any = ray.remote(num_cpus=1, max_retries=-1)(_sums)
        waiting = []
        for start in range(0, len(self._parts), together):
            group = self._parts[start : start + together]
            scales = self._scales[start : start + together]
            waiting.append(work.remote(file, group, shared, *scales))
        made: Sums = _together(waiting, _reduced)
        return made

    def sample(self, count: int, seed: int, keys: np.ndarray | None = None) -> Sample:
        """The ``count`` distinct rows with the smallest keys."""
        cut = [None if keys is None else keys[part] for part, _ in self._parts]
        made: Sample = _together(self._tasks(_sample, count, seed, each=cut), _merged, count)
        return made

    def nearest(self, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Nearest prototype of each row (n,) ``int32``, -1 for none; its distance (n,), or NaN."""
        labels = np.full(len(self), -1, dtype=np.int32)
        distance = np.full(len(self), np.nan)
        found = _got(self._tasks(_nearest, centres))
        for (part, _), (mine, far) in zip(self._parts, found, strict=True):
            labels[part], distance[part] = mine, far
        return labels, distance

    def _tasks(
        self, work: Callable[..., Any], *shared: Any, each: Sequence[Any] | None = None
    ) -> list[Any]:
        """One task for each part; what all are given travels once to each node."""
        import ray

        task: Any = ray.remote(num_cpus=1, max_retries=-1)(work)
        given = [ray.put(value) for value in shared]
        file = str(self.file.absolute())
        own = [()] * len(self._parts) if each is None else [(one,) for one in each]
        parts = zip(self._parts, self._scales, own, strict=True)
        return [
            task.remote((file, part), mask, scales, *given, *more)
            for (part, mask), scales, more in parts
        ]


Place = tuple[str, slice]


def _mapped(file: str, part: slice) -> np.ndarray:
    try:
        matrix: np.ndarray = np.load(file, mmap_mode="r")
        return matrix[part]
    except OSError as error:
        raise BadInputError(
            f"A node cannot read {file}: {error}.",
            "All nodes must reach it under the same path: a network file system, say.",
        ) from error


def _rows(place: Place, usable: np.ndarray | None, scales: np.ndarray) -> Rows:
    return Rows(_mapped(*place), usable, threads=1).with_scales(scales)


def _scales(file: str, part: slice) -> np.ndarray:
    return Rows(_mapped(file, part), threads=1).scales()


def _sums(
    file: str,
    parts: list[tuple[slice, np.ndarray | None]],
    centres: np.ndarray,
    *scales: np.ndarray,
) -> Sums:
    with one_thread_each():
        return reduce(
            _rows((file, part), usable, own).sums(centres)
            for (part, usable), own in zip(parts, scales, strict=True)
        )


def _reduced(*parts: Sums) -> Sums:
    return reduce(parts)


def _merged(count: int, *parts: Sample) -> Sample:
    return merge_samples(parts, count)


def _together(waiting: list[Any], work: Callable[..., Any], *given: Any) -> Any:
    """What tasks make, a few at a time put into one by others, until one is left for the driver."""
    import ray

    add: Any = ray.remote(num_cpus=1, max_retries=-1)(work)
    while len(waiting) > 1:
        groups = [waiting[i : i + FAN_IN] for i in range(0, len(waiting), FAN_IN)]
        waiting = [add.remote(*given, *group) for group in groups]
    return _got(waiting)[0]


def _sample(
    place: Place, usable: np.ndarray | None, scales: np.ndarray, count: int, seed: int, keys: Any
) -> Sample:
    with one_thread_each():
        return _rows(place, usable, scales).sample(count, seed, keys)


def _nearest(
    place: Place, usable: np.ndarray | None, scales: np.ndarray, centres: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    with one_thread_each():
        return _rows(place, usable, scales).nearest(centres)


def _got(tasks: list[Any]) -> list[Any]:
    import ray

    try:
        made: list[Any] = ray.get(tasks)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, BadInputError):
            raise BadInputError(error.cause.message, error.cause.remedy) from error
        raise
    return made
