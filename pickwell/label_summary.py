"""What labelling found, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pickwell.words import many

if TYPE_CHECKING:
    from finetune.labels.datamodel import Datamodel
    from finetune.labels.groups import Group
    from finetune.labels.influence import Retest
    from finetune.labels.reliability import Reliability
    from finetune.labels.study import Plan
    from finetune.labels.worth import Worth
    from pickwell.label_job import Labelled


def print_labels(labelled: Labelled) -> None:
    """Print cost, reliability and worth, and what to do next."""
    from rich.table import Table

    from pickwell.console import err, out

    if labelled.findings is None:
        if labelled.missing:
            out.print(
                f"{labelled.missing:,} of the trainings are still missing: other shares do them."
                " When all are done, type the same without --share."
            )
        else:
            out.print("All trainings are done. Type the same without --share to make labels.")
        return
    for line in lines_of(labelled):
        out.print(line, markup=False, soft_wrap=True)
    worth = labelled.findings.worth
    if worth:
        table = Table(title="Worth: rank correlation with outcomes of fresh random subsets")
        for name in ("scores", "correlation", "95 % interval"):
            table.add_column(name, justify="left" if name == "scores" else "right")
        for name, found in worth.items():
            known = math.isfinite(found.score)
            table.add_row(
                name,
                f"{found.score:+.2f}" if known else "none",
                _span(found) if known else "",
            )
        table.add_row("mean", "none", "ranks nothing")
        out.print(table)
    if labelled.left_out:
        err.print(f"{len(labelled.left_out):,} samples could not be trained on (label.json).")
    out.print(f"Labels: {labelled.labels}", markup=False, soft_wrap=True)


def lines_of(labelled: Labelled) -> list[str]:
    """Sentences on cost, reliability and worth."""
    findings, plan = labelled.findings, labelled.plan
    assert findings is not None
    lines = []
    if plan.groups:
        sizes = sorted({len(group.rows) for group in plan.groups})
        lines.append(
            f"{many(len(plan.groups), 'group')} of {' or '.join(map(str, sizes))} samples,"
            f" {many(plan.steps, 'step')} of {plan.batch} each."
        )
    else:
        lines.append(
            f"{many(len(plan.ids), 'sample')}, gradients after {many(plan.steps, 'step')} of"
            " warm-up."
        )
    for purpose, words in _PURPOSES.items():
        cost = findings.cost.get(purpose)
        if cost is not None:
            lines.append(
                f"{words}: {many(cost.trainings, 'training')}, {cost.seconds:,.0f} s (also what was"
                f" kept from before), {cost.passes:,} samples forward."
            )
    if plan.groups:
        lines.append(_reliable(findings.reliability, plan.groups, plan, "a group's outcome"))
        lines += _never_trained(labelled)
    else:
        lines.append(_found_again(findings.retest))
    if findings.datamodel is not None:
        lines.append(_foretold(findings.datamodel))
        if not findings.datamodel.own_known:
            lines.append(_OWN_UNKNOWN)
    if findings.worth:
        lines.append(_worthy(labelled.design, findings.worth[labelled.design]))
        if findings.ceiling is not None:
            lines.append(_reliable(findings.ceiling, plan.fresh, plan, "a fresh subset's outcome"))
    return lines


_PURPOSES = {
    "labels": "For the labels",
    "retest": "Influence under another seed, to know how reliable it is",
    "repeats": "Repeats, to know how reliable they are",
    "fresh": "Fresh subsets, to know what they are worth",
}
_OWN_UNKNOWN = (
    "These groups cannot tell what a sample has of its own from noise (hardly any overlap,"
    " one size): effects and their intervals are those of what the metrics say."
)
FEW = 5
"""Repeated groups below which a reliability is said to settle little."""


def _reliable(found: Reliability | None, groups: Sequence[Group], plan: Plan, what: str) -> str:
    if found is None:
        return f"Reliability of {what}: not known (repeat two groups at least)."
    span = "" if found.low is None else f" ({found.low:.2f} to {found.high:.2f})"
    each = found.outcomes / found.groups
    told = (
        f"Reliability of {what}: {found.value:.2f}{span}, from {found.groups} of them trained"
        f" {each:.0f} times each: no prediction of single outcomes can reach a higher R²."
    )
    if max(len(group.rows) for group in groups) <= plan.batch:
        return told + (
            " Every step took the whole group, so that repeats differ by rounding alone: this says"
            " nothing about other orders, models or targets (--repeat-groups 0 saves them)."
        )
    if found.groups < FEW:
        told += f" {found.groups} settle little: --repeat-groups {FEW} at least."
    return told


def _found_again(found: Retest | None) -> str:
    """How far influence agrees with itself."""
    if found is None:
        return "Reliability of influence: not known (--repeats 2 finds it a second time)."
    told = f"{found.correlation:+.2f}" if math.isfinite(found.correlation) else "none"
    return (
        f"Reliability of influence: rank correlation {told} over {many(found.samples, 'sample')}"
        " with the same under one other seed (of the warm-up's samples, their order and the"
        " projection, all at once)."
    )


def _never_trained(labelled: Labelled) -> list[str]:
    """Samples whose effect is a guess from their metrics."""
    ids = labelled.plan.ids
    outside = len(ids) - len({int(row) for group in labelled.plan.groups for row in group.rows})
    if not outside:
        return []
    return [
        f"{outside:,} of {len(ids):,} samples stood in no group: their effects are what their"
        " metrics say (groups = 0 in effects.parquet)."
    ]


def _foretold(model: Datamodel) -> str:
    """R² of the groups' outcomes, each foretold without itself."""
    if model.r2_low > 0:
        words = "better than their mean"
    elif model.r2_high < 0:
        words = "worse than their mean"
    else:
        words = "not told apart from their mean"
    return (
        f"Outcomes of groups foretold without them: R² {model.r2:.2f} ({model.r2_low:.2f} to"
        f" {model.r2_high:.2f}): {words}."
    )


def _worthy(design: str, found: Worth) -> str:
    from finetune.labels.worth import FEWEST

    if not math.isfinite(found.score):
        return f"Worth of {design}: none; the effects are all the same."
    told = f"Worth of {design}: rank correlation {found.score:+.2f}"
    tested = f"with the outcomes of {many(found.subsets, 'fresh random subset')}"
    if math.isnan(found.low):
        return (
            f"{told} {tested}: too few to know anything. Do not build on these labels before"
            f" --fresh {FEWEST} or more say what they are worth."
        )
    told = f"{told} ({_span(found)}) {tested}"
    if found.ceiling is not None:
        told += f"; at most {found.ceiling:.2f} could be expected"
    if found.low > 0:
        return told + "."
    return told + ". That is not shown to be better than chance: do not build on these labels."


def _span(found: Worth) -> str:
    return "too few" if math.isnan(found.low) else f"{found.low:+.2f} to {found.high:+.2f}"
