"""What ``pickwell evaluate`` prints when it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from pickwell.console import out
from pickwell.evaluate_lead import lead

if TYPE_CHECKING:
    from finetune.evaluate.result import Difference, Evaluation, Figure

LABELS = {
    "nll": "Response NLL, by token",
    "nll_per_sample": "Response NLL, by sample",
    "nll_text": "Response NLL, without end marks",
    "nll_image_gain": "NLL gained by the image",
    "two_choice_mean": "Two-choice, per token",
    "two_choice_mean_blind": "Two-choice, per token, blind",
    "two_choice_mean_image_gain": "Two-choice, per token, image gain",
    "two_choice_total": "Two-choice, total",
    "two_choice_total_blind": "Two-choice, total, blind",
    "two_choice_total_image_gain": "Two-choice, total, image gain",
    "two_choice_shorter": "Two-choice by taking the shorter",
    "exact": "Short answers, exact",
    "contained": "Short answers, contained",
    "contained_cut": "Short answers, early",
    "output_words": "Short answers, words",
    "reference_words": "Short references, words",
    "unfinished": "Short answers cut off",
}
"""What people call the figures, in the order in which they are shown."""

_COMPARED = (
    "nll", "nll_per_sample", "nll_image_gain", "two_choice_mean", "two_choice_total",
    "exact", "contained", "contained_cut", "output_words",
)  # fmt: skip


def print_evaluation(result: Evaluation) -> None:
    """Every figure with its interval, the difference to the baseline, and what was left out."""
    total = result.manifest["samples"]
    out.print(
        f"{total - len(result.left_out):,} of {total:,} samples evaluated "
        f"in {result.manifest['seconds']:,.0f} s.",
        style="bold",
    )
    for line in lead(result):
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    out.print()
    table = Table(box=None, pad_edge=False)
    for name in ("Figure", "Value", "95 % interval", "Chance", "n"):
        table.add_column(name, justify="left" if name == "Figure" else "right", no_wrap=True)
    for name, label in LABELS.items():
        figure = result.figures.get(name)
        if figure is None or figure.value is None:
            continue
        cells = [label, number(figure.value), interval(figure), number(figure.chance)]
        table.add_row(*cells, f"{figure.samples:,}")
    out.print(table)
    if result.baseline is not None:
        _print_differences(result, result.baseline)
    for line in [*length_bias(result), *result.manifest["remarks"]]:
        out.print(line, markup=False, soft_wrap=True)
    for id_, reason in result.left_out[:10]:
        out.print(f"  left out: {id_}: {reason}", markup=False, soft_wrap=True)
    if len(result.left_out) > 10:
        out.print(f"  ... and {len(result.left_out) - 10:,} more: see per_sample.parquet")
    if result.folder is not None:
        page = result.folder / "evaluation.html"
        out.print(f"Report: {page}", markup=False, soft_wrap=True)


def _print_differences(result: Evaluation, baseline: dict[str, Figure]) -> None:
    spec = result.manifest["models"]["baseline"]["spec"]
    out.print(f"\nBeside {spec}, on the same samples:", markup=False, style="bold")
    table = Table(box=None, pad_edge=False)
    for name in ("Figure", "Baseline", "Difference", "95 % interval", "Verdict"):
        left = name in ("Figure", "Verdict")
        table.add_column(name, justify="left" if left else "right", overflow="fold")
    for name in _COMPARED:
        gap = result.differences.get(name)
        if gap is None or gap.value is None:
            continue
        change = (number(gap.value, sign=True), interval(gap, sign=True))
        table.add_row(LABELS[name], number(baseline[name].value), *change, gap.verdict)
    out.print(table)


def length_bias(result: Evaluation) -> list[str]:
    """In words: why the two ways of scoring a choice differ, and what length alone reaches."""
    figures = result.figures
    mean, total = figures["two_choice_mean"], figures["two_choice_total"]
    shorter = figures["two_choice_shorter"]
    if mean.value is None or total.value is None or shorter.value is None:
        return []
    alone = max(shorter.value, 1 - shorter.value)
    which = "shorter" if shorter.value >= 0.5 else "longer"
    return [
        f"Length: each further token lowers a total log-probability, so the total favours the "
        f"shorter response, and the mean per token does not. Always taking the {which} one is "
        f"right in {alone:.1%} of the choices without any model; by total the model is right in "
        f"{total.value:.1%}, per token in {mean.value:.1%}."
    ]


def number(value: float | None, *, sign: bool = False) -> str:
    """Three decimals, a dash where there is nothing."""
    if value is None:
        return "–"
    return f"{value:+.3f}" if sign else f"{value:.3f}"


def interval(figure: Figure | Difference, *, sign: bool = False) -> str:
    """``low to high``, a dash without."""
    if figure.low is None or figure.high is None:
        return "–"
    return f"{number(figure.low, sign=sign)} to {number(figure.high, sign=sign)}"
