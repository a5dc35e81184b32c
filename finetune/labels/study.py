"""A labelling study: the trainings that a design asks for, and what its labels are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from data_cards.errors import BadInputError
from finetune.labels.datamodel import Datamodel, fit_datamodel
from finetune.labels.groups import Group, random_subsets
from finetune.labels.influence import Influence, Retest
from finetune.labels.outcomes import Ledger, Outcomes, Task
from finetune.labels.reliability import Reliability, reliability
from finetune.labels.worth import Worth, worth

FRESH = "fresh"
"""Beginning of the names of subsets that no label has seen."""


@dataclass(frozen=True)
class Plan:
    """What is trained.

    Attributes:
        ids: n ids of the pool; groups hold positions in it.
        groups: What labels are made from; none for influence.
        fresh: Random subsets that no label sees: what labels must foretell.
        repeated: How many groups, and how many fresh subsets, are trained again.
        repeats: Trainings of each of those, the first one counted.
        steps: Optimiser steps of each training.
        seed: Of the trainings.
        batch: Samples in one optimiser step.
    """

    ids: tuple[str, ...]
    groups: tuple[Group, ...]
    fresh: tuple[Group, ...]
    repeated: int
    repeats: int
    steps: int
    seed: int
    batch: int = 1

    @property
    def size(self) -> int:
        """Samples of the largest group; 0 without groups."""
        return max((len(group.rows) for group in self.groups), default=0)

    @property
    def seen(self) -> int:
        """Samples that one training takes, the same one counted as often as it is taken."""
        return self.steps * self.batch

    def tasks(self) -> dict[str, list[Task]]:
        """Trainings by purpose: ``labels``, ``fresh`` and ``repeats``."""
        again = [
            self._task(group, self.seed + turn)
            for group in (*self._again(self.groups), *self._again(self.fresh))
            for turn in range(1, self.repeats)
        ]
        return {
            "labels": [self._task(group, self.seed) for group in self.groups],
            "fresh": [self._task(group, self.seed) for group in self.fresh],
            "repeats": again,
        }

    def all_tasks(self) -> list[Task]:
        """Every training, each once; what is shared with other designs first."""
        by_purpose = self.tasks()
        return list(
            dict.fromkeys(by_purpose["labels"] + by_purpose["fresh"] + by_purpose["repeats"])
        )

    def repeats_of(self, groups: Sequence[Group], ledger: Ledger) -> list[np.ndarray]:
        """Outcomes of each repeated group under its seeds."""
        return [
            ledger.read([self._task(g, self.seed + turn) for turn in range(self.repeats)]).quality
            for g in self._again(groups)
        ]

    def _again(self, groups: Sequence[Group]) -> list[Group]:
        """Spread evenly over the groups, so that they differ as the groups do."""
        if not groups or self.repeats < 2 or not self.repeated:
            return []
        places = np.linspace(0, len(groups) - 1, min(self.repeated, len(groups)))
        return [groups[int(place)] for place in np.unique(places.round().astype(int))]

    def _task(self, group: Group, seed: int) -> Task:
        return Task(tuple(self.ids[int(row)] for row in group.rows), seed, self.steps)


@dataclass(frozen=True, slots=True)
class Training:
    """One training that was done.

    Attributes:
        purpose: ``"labels"``, ``"fresh"`` or ``"repeats"``.
        group: Name of what was trained on.
        about: What sets that group apart.
        seed: Of the order of the data.
        samples: How many.
        outcome: Log-likelihood per response token of the target; higher is better.
        standard_error: Of the outcome over the target's images.
        first_loss: Mean loss of the first step, nats per response token.
        last_loss: Likewise of the last.
        seconds: Of training and measuring.
        passes: Samples that went forward.
    """

    purpose: str
    group: str
    about: str
    seed: int
    samples: int
    outcome: float
    standard_error: float
    first_loss: float
    last_loss: float
    seconds: float
    passes: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What trainings took.

    Attributes:
        trainings: How many.
        seconds: Sum over them; several devices share it.
        passes: Samples that went forward.
    """

    trainings: int
    seconds: float
    passes: int


@dataclass(frozen=True)
class Findings:
    """What a study gave.

    Attributes:
        outcomes: Of the groups, in their order; ``None`` for influence.
        effects: (n,) label of each sample, higher is better: by how much a group of such samples
            would lift the target's log-likelihood per token above the average group's (for
            influence a cosine). NaN: unknown.
        deviations: (n,) how uncertain each is; NaN: unknown.
        datamodel: Where the effects come from; ``None`` for influence.
        reliability: Of the groups' outcomes; ``None`` if too few are repeated.
        retest: How far influence agrees with itself under another seed; ``None`` for groups, or if
            it was not found again.
        ceiling: Reliability of the fresh subsets' outcomes; its root bounds every worth.
        worth: Name to linear datamodelling score: this design's effects first, then others.
        cost: By purpose: ``labels``, ``retest``, ``repeats``, ``fresh``, as far as there are any.
        trainings: Every one, in the order of the plan.
    """

    outcomes: Outcomes | None
    effects: np.ndarray
    deviations: np.ndarray
    datamodel: Datamodel | None
    reliability: Reliability | None
    ceiling: Reliability | None
    worth: Mapping[str, Worth]
    cost: Mapping[str, Cost]
    trainings: Sequence[Training] = ()
    retest: Retest | None = None

    def record(self) -> dict[str, Any]:
        """As JSON values, without what stands per sample or per group."""
        model = self.datamodel
        return {
            "reliability": asdict(self.reliability) if self.reliability else None,
            "retest": asdict(self.retest) if self.retest else None,
            "ceiling": asdict(self.ceiling) if self.ceiling else None,
            "worth": {name: asdict(value) for name, value in self.worth.items()},
            "cost": {name: asdict(value) for name, value in self.cost.items()},
            "datamodel": None
            if model is None
            else {
                "mean": model.mean,
                "noise": model.noise,
                "by_features": model.by_features,
                "by_membership": model.by_membership,
                "own_known": model.own_known,
                "r2_left_out": model.r2,
                "r2_low": model.r2_low,
                "r2_high": model.r2_high,
            },
        }


def fresh_subsets(ids: Sequence[str], count: int, size: int, seed: int) -> list[Group]:
    """Random subsets under a name that no design uses: the same for every design.

    Raises:
        BadInputError: A size that the pool does not have.
    """
    return random_subsets(ids, count, size, seed=seed, name=FRESH) if count else []


def study(
    plan: Plan,
    ledger: Ledger,
    *,
    design: str,
    features: np.ndarray,
    clusters: Sequence[object],
    others: Mapping[str, np.ndarray],
    found: Influence | None = None,
    again: Retest | None = None,
) -> Findings:
    """Make labels out of trainings that are all done, and find out what they are worth.

    Args:
        plan: What was trained.
        ledger: Holds the outcomes.
        design: Name of the labels among the scores that are compared.
        features: (n, k) standardised features of the samples, no NaN.
        clusters: Label of each target sample; those of one image have the same.
        others: Name to (n,) other scores, higher is better: what labels are compared with.
        found: What influence gave, for that design.
        again: How far it agrees with itself.

    Raises:
        BadInputError: Too few groups, or outcomes that are all equal.
    """
    tasks = plan.tasks()
    outcomes = ledger.read(tasks["labels"]) if plan.groups else None
    model = None
    if found is not None:
        effects, deviations = found.scores, found.deviations
    elif outcomes is not None:
        model = fit_datamodel([g.rows for g in plan.groups], outcomes.quality, features)
        effects, deviations = model.effects, model.deviations
    else:
        raise BadInputError("There is no group to make labels from.", "Ask for some.")
    cost = {name: _cost(ledger.read(part)) for name, part in tasks.items() if part}
    if found is not None:
        own = {"labels": found, "retest": again}
        cost = {n: Cost(1, made.seconds, made.passes) for n, made in own.items() if made} | cost
    ceiling = reliability(plan.repeats_of(plan.fresh, ledger))
    return Findings(
        outcomes=outcomes,
        effects=effects,
        deviations=deviations,
        datamodel=model,
        reliability=reliability(plan.repeats_of(plan.groups, ledger)),
        ceiling=ceiling,
        worth=_worth(plan, ledger, {design: effects, **others}, ceiling),
        cost=cost,
        trainings=_trainings(plan, ledger, clusters),
        retest=again,
    )


def _trainings(plan: Plan, ledger: Ledger, clusters: Sequence[object]) -> list[Training]:
    named = {
        tuple(plan.ids[int(row)] for row in group.rows): group
        for group in (*plan.groups, *plan.fresh)
    }
    found = []
    for purpose, tasks in plan.tasks().items():
        if not tasks:
            continue
        done = ledger.read(tasks)
        errors = done.errors(clusters)
        for place, task in enumerate(tasks):
            group = named[task.ids]
            losses = done.train_losses[place]
            found.append(
                Training(
                    purpose=purpose,
                    group=group.name,
                    about=group.about,
                    seed=task.seed,
                    samples=len(task.ids),
                    outcome=float(done.quality[place]),
                    standard_error=float(errors[place]),
                    first_loss=losses[0] if losses else float("nan"),
                    last_loss=losses[-1] if losses else float("nan"),
                    seconds=float(done.seconds[place]),
                    passes=int(done.passes[place]),
                )
            )
    return found


def _worth(
    plan: Plan, ledger: Ledger, scores: Mapping[str, np.ndarray], ceiling: Reliability | None
) -> dict[str, Worth]:
    if not plan.fresh:
        return {}
    real = ledger.read(plan.tasks()["fresh"]).quality
    bound = None if ceiling is None else float(np.sqrt(max(0.0, ceiling.value)))
    groups = [group.rows for group in plan.fresh]
    return {
        name: worth(values, groups, real, seed=plan.seed, ceiling=bound)
        for name, values in scores.items()
    }


def _cost(done: Outcomes) -> Cost:
    return Cost(len(done.seconds), float(done.seconds.sum()), int(done.passes.sum()))
