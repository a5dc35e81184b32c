"""Trainings on groups, each done once: the outcome of every one is kept as soon as it is known."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa

from scoring.store import KeyedStore, content_key

if TYPE_CHECKING:
    from finetune.bench import Trained

OUTCOMES = pa.schema(
    [
        ("losses", pa.list_(pa.float64())),
        ("tokens", pa.list_(pa.int32())),
        ("train_losses", pa.list_(pa.float64())),
        ("seconds", pa.float64()),
        ("passes", pa.int64()),
    ]
)


class Trains(Protocol):
    """What a training is done by."""

    def run(self, ids: Sequence[str], *, seed: int, steps: int | None = None) -> Trained:
        """Train from the start on these samples and measure."""


@dataclass(frozen=True, slots=True)
class Task:
    """One training.

    Attributes:
        ids: What is trained on.
        seed: Of the order of the data.
        steps: Optimiser steps; with 0 the model is measured as it is.
    """

    ids: tuple[str, ...]
    seed: int
    steps: int

    def key(self, bench: str, contents: Mapping[str, str] | None = None) -> bytes:
        """Address of its outcome; the order of the ids does not matter.

        Args:
            bench: Key of the bench.
            contents: Id to a hash of what the sample holds, which may change under the same id.
        """
        known = contents or {}
        told = [[[id_, known.get(id_, "")] for id_ in sorted(self.ids)], self.seed, self.steps]
        return content_key(bench, json.dumps(told))


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What trainings gave, in the order of the tasks.

    Attributes:
        losses: (r, t) summed negative log-likelihood of each target sample, in nats.
        tokens: (t,) response tokens of each target sample.
        train_losses: r tuples of step losses.
        seconds: (r,) of each.
        passes: (r,) samples that went forward.
    """

    losses: np.ndarray
    tokens: np.ndarray
    train_losses: tuple[tuple[float, ...], ...]
    seconds: np.ndarray
    passes: np.ndarray

    @property
    def quality(self) -> np.ndarray:
        """(r,) log-likelihood per response token of the whole target; higher is better."""
        return np.asarray(-self.losses.sum(1) / self.tokens.sum())

    def errors(self, clusters: Sequence[object]) -> np.ndarray:
        """(r,) standard error of :attr:`quality` over target images, given the training.

        Args:
            clusters: t labels: target samples that share an image have the same.
        """
        rest = self.losses + self.quality[:, None] * self.tokens
        return cluster_errors(rest, clusters) / self.tokens.sum()


def cluster_errors(rest: np.ndarray, clusters: Sequence[object]) -> np.ndarray:
    """(r,) standard error of each row's sum over t samples, whole clusters being drawn.

    Args:
        rest: (r, t) what each sample is off its row's mean; a row sums to zero.
        clusters: t labels: samples that share an image have the same.
    """
    names, places = np.unique([str(label) for label in clusters], return_inverse=True)
    sums = np.zeros((len(rest), len(names)))
    for label in range(len(names)):
        sums[:, label] = rest[:, places == label].sum(1)
    many = len(names) / max(1, len(names) - 1)
    return np.asarray(np.sqrt(many * (sums**2).sum(1)))


MEASURING = 5
"""What measuring a target costs, in optimiser steps; only who does what hangs on it."""


def parted(tasks: Sequence[Task], workers: int) -> list[list[Task]]:
    """Tasks divided among workers so that all end at about the same time, each in its order.

    The longest first, to whoever has least to do: one pass over a whole pool takes as long as ten
    other trainings. It hangs on nothing but the tasks, so that workers need not talk.
    """
    load = [0] * workers
    owner = [0] * len(tasks)
    for place in sorted(range(len(tasks)), key=lambda place: -tasks[place].steps):
        owner[place] = least = min(range(workers), key=lambda worker: load[worker])
        load[least] += tasks[place].steps + MEASURING
    return [
        [task for task, whose in zip(tasks, owner, strict=True) if whose == worker]
        for worker in range(workers)
    ]


class Ledger:
    """Keeps outcomes in a folder; a killed run loses the training in hand and no other.

    Args:
        folder: Of the store.
        bench: Key of the bench, see :attr:`finetune.bench.Bench.key`.
        contents: Id to a hash of what the sample holds: another one is another training.
    """

    def __init__(self, folder: Path, bench: str, contents: Mapping[str, str] | None = None) -> None:
        self.folder, self.bench, self.contents = folder, bench, contents
        self._store = KeyedStore(folder, OUTCOMES)

    def key(self, task: Task) -> bytes:
        """Where the outcome of a task is kept."""
        return task.key(self.bench, self.contents)

    def missing(self, tasks: Sequence[Task]) -> list[Task]:
        """Those without an outcome, each once."""
        keys = {self.key(task): task for task in tasks}
        return [keys[key] for key in self._store.missing(keys)]

    def do(
        self,
        tasks: Sequence[Task],
        bench: Callable[[], Trains],
        *,
        share: tuple[int, int] = (0, 1),
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> int:
        """Train what is missing.

        Args:
            tasks: Any.
            bench: Opens the bench; called only if something is missing.
            share: Of several workers, which this is and how many there are.
            on_progress: Called with done and total of this worker's tasks.

        Returns:
            How many were trained now.
        """
        mine = parted(list(dict.fromkeys(tasks)), share[1])[share[0]]
        waiting = self.missing(mine)
        on_progress(len(mine) - len(waiting), len(mine))
        opened = bench() if waiting else None
        for number, task in enumerate(waiting, len(mine) - len(waiting) + 1):
            assert opened is not None
            made = opened.run(task.ids, seed=task.seed, steps=task.steps)
            row = {
                "losses": made.losses.tolist(),
                "tokens": made.tokens.astype(int).tolist(),
                "train_losses": list(made.train_losses),
                "seconds": made.seconds,
                "passes": made.passes,
            }
            table = pa.Table.from_pylist([row], schema=OUTCOMES)
            self._store.append([self.key(task)], table)
            on_progress(number, len(mine))
        return len(waiting)

    def read(self, tasks: Sequence[Task]) -> Outcomes:
        """Outcomes of tasks that are all done.

        Raises:
            KeyError: One is not.
        """
        table = self._store.take([self.key(task) for task in tasks])
        tokens = table["tokens"].to_pylist()
        return Outcomes(
            losses=np.array(table["losses"].to_pylist(), np.float64),
            tokens=np.array(tokens[0] if tokens else [], np.int64),
            train_losses=tuple(tuple(row) for row in table["train_losses"].to_pylist()),
            seconds=table["seconds"].to_numpy(),
            passes=table["passes"].to_numpy(),
        )
