"""Arms of a comparison: ways of choosing, each giving ids for a budget and a seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from finetune.labels.outcomes import Task
from selector.order import id_digests

Choose = Callable[[int, int], Sequence[str]]
"""Budget and seed to ids."""

BASELINE = "random"


@dataclass(frozen=True)
class Arm:
    """One way of choosing.

    Attributes:
        name: E.g. ``"selected"``.
        about: What it takes, in words.
        choose: Budget and seed to ids. An arm that does not depend on the seed gives the same ids
            each time; then only the training's seed differs.
        seconds: What choosing took, metrics included; ``None`` if not known.
        whole: Whether it is the whole pool, whatever the budget.
        long_seeds: At most so many trainings at equal epochs; ``None``: as many as elsewhere.
    """

    name: str
    about: str
    choose: Choose
    seconds: float | None = None
    whole: bool = False
    long_seeds: int | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One arm at one budget under one rule of length.

    Attributes:
        arm: Its name.
        budget: Samples chosen.
        rule: ``"steps"``: all arms take the same number of optimiser steps; ``"epochs"``: the same
            number of passes over what they chose.
        tasks: One for each seed.
    """

    arm: str
    budget: int
    rule: str
    tasks: tuple[Task, ...]


def cells(
    arms: Sequence[Arm],
    budgets: Mapping[int, Sequence[str]],
    seeds: int,
    *,
    steps: int | None,
    epochs: float | None,
    batch: int,
    first: int = 0,
) -> list[Cell]:
    """What is to be trained.

    Args:
        arms: All of them; one that is the whole pool has the same trainings at every budget.
        budgets: Each budget with the names of the arms that are trained at it.
        seeds: How many; a seed decides random picks and the order of the data.
        steps: Steps for the rule ``"steps"``; ``None`` leaves the rule out.
        epochs: Passes for the rule ``"epochs"``; ``None`` leaves the rule out.
        batch: Samples in one optimiser step: what turns passes into steps.
        first: The first seed.
    """
    turns = range(first, first + seeds)
    found = []
    for budget, names in budgets.items():
        for arm in arms:
            if arm.name not in names:
                continue
            chosen = [(tuple(arm.choose(budget, seed)), seed) for seed in turns]
            if steps is not None:
                tasks = tuple(Task(ids, seed, steps) for ids, seed in chosen)
                found.append(Cell(arm.name, budget, "steps", tasks))
            if epochs is not None:
                tasks = tuple(
                    Task(ids, seed, math.ceil(epochs * math.ceil(len(ids) / batch)))
                    for ids, seed in chosen[: arm.long_seeds]
                )
                found.append(Cell(arm.name, budget, "epochs", tasks))
    return found


def random_arm(ids: Sequence[str]) -> Arm:
    """Uniform picks without replacement, others for every seed."""

    def choose(budget: int, seed: int) -> list[str]:
        digests = id_digests(ids, seed, purpose="compare")
        order = np.lexsort((digests[:, 1], digests[:, 0]))
        return [ids[int(row)] for row in order[:budget]]

    return Arm(BASELINE, "drawn uniformly, anew for every seed", choose, seconds=0.0)


def top_arm(name: str, about: str, ids: Sequence[str], values: np.ndarray, **options: float) -> Arm:
    """The highest values, ties by a hash of the id; NaN is never taken."""
    digests = id_digests(ids)
    order = np.lexsort((digests[:, 1], digests[:, 0], -np.nan_to_num(values, nan=-np.inf)))
    ranked = [ids[int(row)] for row in order if np.isfinite(values[row])]
    return Arm(name, about, lambda budget, seed: ranked[:budget], **options)  # type: ignore[arg-type]


def k_center_arm(ids: Sequence[str], vectors: np.ndarray, largest: int) -> Arm:
    """Farthest point first (Gonzalez 1985; Sener & Savarese, ICLR 2018): coverage, no quality.

    Args:
        ids: n ids.
        vectors: (n, d) unit vectors; rows with NaN are never taken.
        largest: Largest budget that will be asked for.
    """
    known = np.flatnonzero(np.isfinite(vectors).all(1))
    digests = id_digests([ids[int(row)] for row in known])
    known = known[np.lexsort((digests[:, 1], digests[:, 0]))]
    points = vectors[known].astype(np.float32)
    centre = points.mean(0)
    row = int(np.argmin(((points - centre) ** 2).sum(1)))  # the middle first
    nearest = np.full(len(points), np.inf, np.float32)
    taken = []
    for _ in range(min(largest, len(points))):
        taken.append(row)
        nearest = np.minimum(nearest, ((points - points[row]) ** 2).sum(1))
        nearest[row] = -1
        row = int(np.argmax(nearest))
    ranked = [ids[int(known[row])] for row in taken]
    about = "farthest point first on the embeddings (k-center), no quality"
    return Arm("k-center", about, lambda budget, seed: ranked[:budget])


def full_arm(ids: Sequence[str], long_seeds: int | None = None) -> Arm:
    """Everything."""
    about = "the whole pool"
    return Arm("full", about, lambda budget, seed: list(ids), 0.0, True, long_seeds)
