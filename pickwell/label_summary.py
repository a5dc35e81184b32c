"""What labelling found, in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from finetune.labels.reliability import Reliability
    from finetune.labels.worth import Worth
    from pickwell.label_job import Labelled


def print_labels(labelled: Labelled) -> None:
    """Print cost, reliability and worth, and what to do next."""
    from rich.table import Table

    from pickwell.console import err, out

    if labelled.findings is None:
        if labelled.missing:
            out.print(
                f"{labelled.missing:,} trainings are still missing: other shares do them. When all"
                " are done, type the same without --share."
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
                f"{found.low:+.2f} to {found.high:+.2f}" if known else "",
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
            f"{len(plan.groups)} groups of {' or '.join(map(str, sizes))} samples,"
            f" {plan.steps} steps each."
        )
    else:
        lines.append(f"{len(plan.ids):,} samples, gradients after {plan.steps} steps of warm-up.")
    for purpose, words in _PURPOSES.items():
        cost = findings.cost.get(purpose)
        if cost is not None:
            lines.append(
                f"{words}: {cost.trainings} trainings, {cost.seconds:,.0f} s,"
                f" {cost.passes:,} samples forward."
            )
    if plan.groups:
        lines.append(_reliable(findings.reliability, "a group's outcome"))
    model = findings.datamodel
    if model is not None:
        lines.append(
            f"Outcomes of groups foretold without them: R² {model.r2:.2f}"
            f" ({'better' if model.r2 > 0 else 'no better'} than their mean)."
        )
    if findings.worth:
        lines.append(_worthy(labelled.design, findings.worth[labelled.design]))
        if findings.ceiling is not None:
            lines.append(_reliable(findings.ceiling, "a fresh subset's outcome"))
    return lines


_PURPOSES = {
    "labels": "For the labels",
    "repeats": "Repeats, to know how reliable they are",
    "fresh": "Fresh subsets, to know what they are worth",
}


def _reliable(found: Reliability | None, what: str) -> str:
    if found is None:
        return f"Reliability of {what}: not known (repeat two groups at least)."
    span = "" if found.low is None else f" ({found.low:.2f} to {found.high:.2f})"
    return (
        f"Reliability of {what}: {found.value:.2f}{span}, from {found.groups} groups trained"
        f" {found.outcomes} times: no prediction of single outcomes can reach a higher R². (Repeats"
        " differ in the order of the samples; groups of one batch hardly differ at all.)"
    )


def _worthy(design: str, found: Worth) -> str:
    if not math.isfinite(found.score):
        return f"Worth of {design}: none; the effects are all the same."
    told = (
        f"Worth of {design}: rank correlation {found.score:+.2f} ({found.low:+.2f} to"
        f" {found.high:+.2f}) with the outcomes of {found.subsets} fresh random subsets"
    )
    if found.ceiling is not None:
        told += f"; at most {found.ceiling:.2f} could be expected"
    return told + (
        "." if found.low > 0 else ". That is no better than chance: do not build on these labels."
    )
