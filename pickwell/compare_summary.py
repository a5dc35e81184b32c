"""What a comparison found, in words and as a table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pickwell.words import many

if TYPE_CHECKING:
    from finetune.compare.paired import Difference
    from finetune.compare.table import Line
    from pickwell.compare_job import Comparison

RULES = {"steps": "equal steps", "epochs": "equal epochs"}


def print_comparison(made: Comparison) -> None:
    """Print verdicts, the table and where the page is."""
    from rich.table import Table

    from pickwell.console import out

    if not made.lines:
        if made.missing:
            out.print(
                f"{made.missing:,} trainings are still missing: other shares do them. When all are"
                " done, type the same without --share."
            )
        else:
            out.print("All trainings are done. Type the same without --share for the tables.")
        return
    for sentence in verdicts(made):
        out.print(sentence, markup=False, soft_wrap=True)
    for rule in dict.fromkeys(line.rule for line in made.lines):
        table = Table(title=f"{made.budget:,} chosen, {RULES[rule]}")
        for name in HEADINGS:
            table.add_column(name, justify="left" if name in ("arm", "verdict") else "right")
        for line in made.lines:
            if line.rule == rule and line.budget == made.budget:
                table.add_row(*cells_of(line))
        for line in made.untrained:
            if line.rule == rule and line.budget == made.budget:
                table.add_section()
                table.add_row(*cells_of(line))
        out.print(table)
    if any(line.choosing is None for line in made.lines):
        out.print("Choosing: unknown where not timed, or where scoring had parts from the cache.")
    out.print(f"Page: {made.folder / 'comparison.html'}", markup=False, soft_wrap=True)


HEADINGS = (
    *("arm", "loss", "gain over random", "95 % over seeds;\nover seeds and images"),
    *("p", "steps", "choosing", "verdict"),
)
UNKNOWN = "unknown"
"""Of what choosing took, where scoring had parts from the cache."""


def cells_of(line: Line) -> list[str]:
    """One row of the table, as text."""
    gain = line.beside_random
    told = "" if gain is None else f"{gain.value:+.4f}"
    span = "" if gain is None else _both(gain)
    spread = "" if math.isnan(line.spread) else f" ± {line.spread:.4f}"
    short = f" ({line.samples:,.0f} found)" if 0 < line.samples < line.budget else ""
    return [
        line.arm + short,
        f"{line.nll:.4f}{spread}",
        told,
        span,
        "" if math.isnan(line.p) else f"{line.p:.3f}",
        f"{line.steps:,.0f}",
        UNKNOWN if line.choosing is None else f"{line.choosing:,.0f} s",
        line.verdict,
    ]


def _both(gain: Difference) -> str:
    """Two lines: the interval over seeds, and that over seeds and images; a verdict needs both."""
    wide = f"{gain.low_both:+.4f} to {gain.high_both:+.4f}"
    if math.isnan(gain.low):
        return f"one seed\n{wide}"
    return f"{gain.low:+.4f} to {gain.high:+.4f}\n{wide}"


def verdicts(made: Comparison) -> list[str]:
    """One sentence per rule and arm worth a sentence: the first arm, and the whole pool."""
    seeds = many(made.about["options"]["seeds"], "seed")
    target = made.about["target"]
    found = [
        f"{made.about['pool']:,} samples to choose from; {seeds}; measured on"
        f" {target['samples']:,} samples ({target['images']:,} images). Before any training the"
        f" loss is {made.before:.4f} nats per token."
    ]
    first = next((arm.name for arm in made.arms if arm.name not in ("random", "full")), None)
    for rule in dict.fromkeys(line.rule for line in made.lines):
        mine = {
            line.arm: line
            for line in made.lines
            if line.rule == rule and line.budget == made.budget
        }
        before = made.before if made.before is not None else float("inf")
        harmed = [line.arm for line in mine.values() if line.nll > before]
        if harmed and len(harmed) == len(mine):
            found.append(
                f"At {RULES[rule]} every arm ends with a higher loss than before any training: "
                "what is compared is harm. Lower --learning-rate (a tenth of it), or train longer."
            )
        elif harmed:
            found.append(
                f"At {RULES[rule]} these end with a higher loss than before any training: "
                f"{', '.join(harmed)}."
            )
        if first in mine:
            found.append(_beside_random(mine[first], rule))
        others = [
            line.arm for line in mine.values() if line.verdict == "better" and line.arm != first
        ]
        if others:
            found.append(f"At {RULES[rule]} these are better than random too: {', '.join(others)}.")
        worse = [line.arm for line in mine.values() if line.verdict == "worse"]
        if worse:
            found.append(f"At {RULES[rule]} these are worse than random: {', '.join(worse)}.")
        if first in mine and "full" in mine:
            found.append(_beside_full(mine[first], mine["full"], rule))
    return found


def _beside_random(line: Line, rule: str) -> str:
    gain = line.beside_random
    assert gain is not None
    told = f"At {RULES[rule]} {line.budget:,} of {line.arm!r} are "
    if gain.seeds < 2:
        return told + f"{gain.value:+.4f} nats per token beside random; one seed tells nothing."
    numbers = (
        f"{gain.value:+.4f} nats per token ({gain.low:+.4f} to {gain.high:+.4f} over seeds,"
        f" {gain.low_both:+.4f} to {gain.high_both:+.4f} over seeds and images)"
    )
    if line.verdict == "better":
        return told + f"better than random: {numbers}."
    if line.verdict == "worse":
        return told + f"WORSE than random: {numbers}."
    return told + f"NO BETTER THAN RANDOM: {numbers}."


def _beside_full(line: Line, full: Line, rule: str) -> str:
    gap = full.nll - line.nll
    words = "lower" if gap > 0 else "higher"
    return (
        f"At {RULES[rule]} the loss after {line.arm!r} is {abs(gap):.4f} {words} than after the"
        f" whole pool ({line.steps:,.0f} steps against {full.steps:,.0f})."
    )
