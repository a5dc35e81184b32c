"""The comparison's tables: every arm beside random, with intervals, cost and a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from finetune.compare.arms import BASELINE, Arm, Cell
from finetune.compare.paired import Difference, difference, holm
from finetune.labels.outcomes import Ledger, Outcomes

UNTRAINED = "(no training)"
"""Stands in the tables beside the arms."""


@dataclass(frozen=True)
class Line:
    """One arm at one budget under one rule.

    Attributes:
        arm: Its name.
        budget: Samples chosen.
        rule: ``"steps"`` or ``"epochs"``.
        samples: Mean number of samples; less than the budget where the arm found no more.
        nll: Mean over seeds of the target's loss, in nats per response token; lower is better.
        spread: Standard deviation over seeds; NaN with one.
        steps: Mean optimiser steps.
        seconds: Mean seconds of a training with its measuring.
        choosing: Seconds that choosing took, ``None`` if not known.
        beside_random: Difference to random; ``None`` for random itself.
        p: Of that difference, corrected for the number of arms at this budget and rule (Holm).
    """

    arm: str
    budget: int
    rule: str
    samples: float
    nll: float
    spread: float
    steps: float
    seconds: float
    choosing: float | None
    beside_random: Difference | None
    p: float

    @property
    def verdict(self) -> str:
        """In words."""
        return "" if self.beside_random is None else self.beside_random.verdict

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self) | {"verdict": self.verdict}


def lines_of(
    cells: Sequence[Cell],
    arms: Sequence[Arm],
    ledger: Ledger,
    clusters: Sequence[object],
    *,
    seed: int = 0,
) -> list[Line]:
    """One line per cell, arms in their order; random first.

    Args:
        cells: Of one comparison, all trained.
        arms: For what choosing took.
        ledger: Holds the outcomes.
        clusters: Label of each target sample; those of one image have the same.
        seed: Of the bootstraps.
    """
    outcomes = {(c.arm, c.budget, c.rule): ledger.read(c.tasks) for c in cells}
    choosing = {arm.name: arm.seconds for arm in arms}
    found = []
    for budget, rule in dict.fromkeys((c.budget, c.rule) for c in cells):
        mine = [c for c in cells if (c.budget, c.rule) == (budget, rule)]
        random = outcomes.get((BASELINE, budget, rule))
        differences: list[Difference | None] = []
        for cell in mine:
            own = outcomes[cell.arm, budget, rule]
            differences.append(
                None
                if random is None or cell.arm == BASELINE
                else _beside(own, random, clusters, seed)
            )
        corrected = holm([float("nan") if d is None else d.p for d in differences])
        for cell, beside, p in zip(mine, differences, corrected, strict=True):
            own = outcomes[cell.arm, budget, rule]
            found.append(_line(cell, own, choosing.get(cell.arm), beside, p))
    return found


def untrained_lines(
    cells: Sequence[Cell],
    before: Outcomes,
    ledger: Ledger,
    clusters: Sequence[object],
    *,
    seed: int = 0,
) -> list[Line]:
    """What the model does without any training, beside random: one line per budget and rule.

    Not one of the arms: its p is not corrected, and corrects no other.

    Args:
        cells: Of the comparison.
        before: The one outcome of no step at all.
        ledger: Holds the outcomes.
        clusters: Label of each target sample; those of one image have the same.
        seed: Of the bootstraps.
    """
    found = []
    for cell in cells:
        if cell.arm != BASELINE:
            continue
        random = ledger.read(cell.tasks)
        same = np.repeat(before.losses, len(random.losses), axis=0)
        beside = difference(same, random.losses, before.tokens, clusters, seed=seed)
        found.append(
            Line(
                arm=UNTRAINED,
                budget=cell.budget,
                rule=cell.rule,
                samples=0,
                nll=-float(before.quality[0]),
                spread=float("nan"),
                steps=0,
                seconds=float(before.seconds[0]),
                choosing=0.0,
                beside_random=beside,
                p=beside.p,
            )
        )
    return found


def _beside(own: Outcomes, random: Outcomes, clusters: Sequence[object], seed: int) -> Difference:
    """Over the seeds that both have."""
    both = min(len(own.losses), len(random.losses))
    return difference(own.losses[:both], random.losses[:both], own.tokens, clusters, seed=seed)


def _line(
    cell: Cell, own: Outcomes, choosing: float | None, beside: Difference | None, p: float
) -> Line:
    each = -own.quality
    return Line(
        arm=cell.arm,
        budget=cell.budget,
        rule=cell.rule,
        samples=float(np.mean([len(task.ids) for task in cell.tasks])),
        nll=float(each.mean()),
        spread=float(each.std(ddof=1)) if len(each) > 1 else float("nan"),
        steps=float(np.mean([len(row) for row in own.train_losses])),
        seconds=float(own.seconds.mean()),
        choosing=choosing,
        beside_random=beside,
        p=p,
    )
