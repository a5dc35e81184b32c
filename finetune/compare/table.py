"""The comparison's tables: every arm beside random, with intervals, cost and a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from finetune.compare.arms import BASELINE, Arm, Cell
from finetune.compare.paired import Difference, difference, holm, verdict_of
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
        seen: Mean number of these that a training came to see; fewer where its steps ended first.
        nll: Mean over seeds of the target's loss, in nats per response token; lower is better.
        spread: Standard deviation over seeds; NaN with one.
        steps: Mean optimiser steps.
        seconds: Mean seconds of a training with its measuring.
        choosing: Seconds that choosing took, ``None`` if not known.
        beside_random: Difference to random; ``None`` for random itself.
        p: Of that difference, corrected for the number of arms at this budget and rule (Holm).
        beside_full: Difference to the whole pool, over the seeds that both have; ``None`` for the
            whole pool itself, for random (whose difference is that of the whole pool to it), and
            where the whole pool was not trained on.
        p_full: Of that difference, corrected likewise.
    """

    arm: str
    budget: int
    rule: str
    samples: float
    seen: float
    nll: float
    spread: float
    steps: float
    seconds: float
    choosing: float | None
    beside_random: Difference | None
    p: float
    beside_full: Difference | None
    p_full: float

    @property
    def verdict(self) -> str:
        """Beside random, in words: both intervals and the corrected p must agree."""
        return "" if self.beside_random is None else verdict_of(self.beside_random, self.p)

    @property
    def verdict_full(self) -> str:
        """Beside the whole pool, likewise."""
        return "" if self.beside_full is None else verdict_of(self.beside_full, self.p_full)

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self) | {"verdict": self.verdict, "verdict_full": self.verdict_full}


def same_by_both_rules(lines: Sequence[Line]) -> dict[int, list[str]]:
    """Budget to arms for which equal steps and equal epochs are the very same trainings.

    Where an epoch over what is chosen has as many steps as the rule of equal steps asks for, both
    rules train once, and what they tell is one finding and not two.
    """
    steps = {(line.budget, line.arm): line.steps for line in lines if line.rule == "steps"}
    found: dict[int, list[str]] = {}
    for line in lines:
        if line.rule == "epochs" and steps.get((line.budget, line.arm)) == line.steps:
            found.setdefault(line.budget, []).append(line.arm)
    return found


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
        arms: For what choosing took, and which is the whole pool.
        ledger: Holds the outcomes.
        clusters: Label of each target sample; those of one image have the same.
        seed: Of the bootstraps.
    """
    outcomes = {(c.arm, c.budget, c.rule): ledger.read(c.tasks) for c in cells}
    choosing = {arm.name: arm.seconds for arm in arms}
    whole = next((arm.name for arm in arms if arm.whole), None)
    found = []
    for budget, rule in dict.fromkeys((c.budget, c.rule) for c in cells):
        mine = [c for c in cells if (c.budget, c.rule) == (budget, rule)]
        own = [outcomes[cell.arm, budget, rule] for cell in mine]
        names = [cell.arm for cell in mine]
        random = _beside(BASELINE, (BASELINE,), names, own, clusters, seed)
        full = _beside(whole, (BASELINE, whole), names, own, clusters, seed)
        for cell, each, near, far in zip(mine, own, random, full, strict=True):
            found.append(_line(cell, each, choosing.get(cell.arm), near, far))
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
                seen=0,
                nll=-float(before.quality[0]),
                spread=float("nan"),
                steps=0,
                seconds=float(before.seconds[0]),
                choosing=0.0,
                beside_random=beside,
                p=beside.p,
                beside_full=None,
                p_full=float("nan"),
            )
        )
    return found


def between(
    arm: Outcomes, other: Outcomes, clusters: Sequence[object], *, seed: int = 0
) -> Difference:
    """One arm minus another, over the seeds that both have.

    Args:
        arm: Outcomes, seed by seed from the first.
        other: Likewise.
        clusters: Label of each target sample; those of one image have the same.
        seed: Of the bootstrap.
    """
    both = min(len(arm.losses), len(other.losses))
    return difference(arm.losses[:both], other.losses[:both], arm.tokens, clusters, seed=seed)


def _beside(
    other: str | None,
    left_out: Sequence[str | None],
    names: Sequence[str],
    own: Sequence[Outcomes],
    clusters: Sequence[object],
    seed: int,
) -> list[tuple[Difference | None, float]]:
    """Difference of each arm to one of them, with its p corrected for how many there are."""
    if other not in names:
        return [(None, float("nan"))] * len(names)
    baseline = own[names.index(other)]
    found = [
        None if name in left_out else between(each, baseline, clusters, seed=seed)
        for name, each in zip(names, own, strict=True)
    ]
    corrected = holm([float("nan") if d is None else d.p for d in found])
    return list(zip(found, corrected, strict=True))


def _line(
    cell: Cell,
    own: Outcomes,
    choosing: float | None,
    random: tuple[Difference | None, float],
    full: tuple[Difference | None, float],
) -> Line:
    each = -own.quality
    sizes = np.array([len(task.ids) for task in cell.tasks])
    went = own.passes - len(own.tokens)  # without those that measured the target
    return Line(
        arm=cell.arm,
        budget=cell.budget,
        rule=cell.rule,
        samples=float(sizes.mean()),
        seen=float(np.minimum(sizes, went).mean()),
        nll=float(each.mean()),
        spread=float(each.std(ddof=1)) if len(each) > 1 else float("nan"),
        steps=float(np.mean([len(row) for row in own.train_losses])),
        seconds=float(own.seconds.mean()),
        choosing=choosing,
        beside_random=random[0],
        p=random[1],
        beside_full=full[0],
        p_full=full[1],
    )
