"""What a comparison found, in words and as a table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from finetune.compare.arms import BASELINE
from finetune.compare.table import UNTRAINED
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
    if not out.is_terminal:  # nothing folds there
        out.width = max(out.width, PIPED)
    for rule in dict.fromkeys(line.rule for line in made.lines):
        headings, rows = table_of(made, made.budget, rule)
        if out.is_terminal and out.width < WIDE:
            kept = [place for place, name in enumerate(headings) if name not in _LEFT_OUT]
            headings, *rows = [[row[place] for place in kept] for row in (headings, *rows)]
        table = Table(title=f"{made.budget:,} chosen, {RULES[rule]}")
        for name in headings:
            table.add_column(name, justify="left" if name in ("arm", "verdict") else "right")
        for row in rows:
            if row[0].startswith(UNTRAINED):
                table.add_section()
            table.add_row(*row)
        out.print(table)
    if out.is_terminal and out.width < WIDE:
        out.print("The terminal is narrow: page and comparison.csv hold all columns.")
    out.print(f"{UNTRAINED} is no arm: its p is not corrected.", markup=False)
    if any(line.choosing is None for line in made.lines):
        out.print("Choosing: unknown where not timed, or where scoring had parts from the cache.")
    out.print(f"Page: {made.folder / 'comparison.html'}", markup=False, soft_wrap=True)


WIDE = 150
"""Characters that all columns need; a narrower terminal gets what decides."""
PIPED = 170
_SPANS = "95 % over seeds;\nover seeds and images"
_FULL = f"gain over full;\n{_SPANS}"
_LEFT_OUT = ("trained on", "steps", "choosing", _FULL)
UNKNOWN = "unknown"
"""Of what choosing took, where it was not timed or scoring had parts from the cache."""
SAME = "as at equal steps"
"""In place of a verdict where both rules are the very same trainings."""


def table_of(made: Comparison, budget: int, rule: str) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of one table, as text; the verdict comes last.

    Where an arm's trainings are the same by both rules its finding stands at equal steps alone.
    """
    mine = [
        line
        for line in (*made.lines, *made.untrained)
        if (line.budget, line.rule) == (budget, rule)
    ]
    beside_full = any(line.beside_full is not None for line in mine)
    again = _told_before(made, budget, rule)
    repeated = {*again, UNTRAINED} if BASELINE in again else set()
    full = [_FULL] if beside_full else []
    head = ["arm", "trained on", "loss", "gain over random", _SPANS, "p", *full]
    rows = [
        _cells(line, beside_full, same=line.arm in repeated and line.arm != BASELINE)
        for line in mine
    ]
    return [*head, "steps", "choosing", "verdict"], rows


def _cells(line: Line, beside_full: bool, *, same: bool) -> list[str]:
    gain, full = line.beside_random, line.beside_full
    spread = "" if math.isnan(line.spread) else f" ± {line.spread:.4f}"
    short = f" ({line.samples:,.0f} found)" if 0 < line.samples < line.budget else ""
    far = "" if full is None else f"{full.value:+.4f}\n{_both(full)}\n{_p(line.p_full)}".rstrip()
    return [
        line.arm + short,
        seen_of(line.seen, line.samples),
        f"{line.nll:.4f}{spread}",
        "" if gain is None else f"{gain.value:+.4f}",
        "" if gain is None else _both(gain),
        "" if math.isnan(line.p) else f"{line.p:.3f}",
        *([far] if beside_full else []),
        f"{line.steps:,.0f}",
        UNKNOWN if line.choosing is None else f"{line.choosing:,.0f} s",
        SAME if same else line.verdict,
    ]


def seen_of(seen: float, samples: float) -> str:
    """How many of an arm's samples a training came to see: ``200``, ``200 of 3,425``."""
    return f"{samples:,.0f}" if seen >= samples else f"{seen:,.0f} of {samples:,.0f}"


def _p(p: float) -> str:
    return "" if math.isnan(p) else f"p {p:.3f}"


def _both(gain: Difference) -> str:
    """Two lines: the interval over seeds, and that over seeds and images; a verdict needs both."""
    wide = "one image"
    if not math.isnan(gain.low_both):
        wide = f"{gain.low_both:+.4f} to {gain.high_both:+.4f}"
    if math.isnan(gain.low):
        return f"one seed\n{wide} (images alone)"
    return f"{gain.low:+.4f} to {gain.high:+.4f}\n{wide}"


def _told_before(made: Comparison, budget: int, rule: str) -> set[str]:
    """Arms whose trainings under this rule are those of the rule before."""
    return set(made.same.get(budget, [])) if rule == "epochs" else set()


def verdicts(made: Comparison) -> list[str]:
    """One sentence per rule and arm worth a sentence: the first arm, and the whole pool."""
    from pickwell.compare_job import few_seeds, seen_before

    seeds = many(made.about["options"]["seeds"], "seed")
    target = made.about["target"]
    found = [
        f"{made.about['pool']:,} samples to choose from; {seeds}; measured on"
        f" {target['samples']:,} samples ({target['images']:,} images). Before any training the"
        f" loss is {made.before:.4f} nats per token.",
        *few_seeds(made.about["options"]["seeds"]),
        *_all_alike(made),
        *seen_before(made.about.get("labels_on_target", [])),
    ]
    first = next((arm.name for arm in made.arms if arm.name not in ("random", "full")), None)
    for rule in dict.fromkeys(line.rule for line in made.lines):
        found += _under(made, rule, first)
    return found


def _all_alike(made: Comparison) -> list[str]:
    """Arms for which no seed changes anything: their choice is one, and so are their batches."""
    alike = [
        arm
        for (arm, budget, rule), done in made.outcomes.items()
        if (budget, rule) == (made.budget, "steps")
        and len(done.train_losses) > 1
        and len(set(done.train_losses)) == 1
    ]
    if not alike:
        return []
    return [
        f"All seeds of {', '.join(alike)} are one training: so few samples leave no order to draw."
        " Their intervals over seeds hold the seeds of random alone; take a larger --budget."
    ]


def _under(made: Comparison, rule: str, first: str | None) -> list[str]:
    """What one rule says; never again what the same trainings said under the other."""
    found = []
    mine = {
        line.arm: line for line in made.lines if line.rule == rule and line.budget == made.budget
    }
    again = _told_before(made, made.budget, rule)
    repeated = again if BASELINE in again else set()
    if again:
        steps = ", ".join(f"{n:,.0f}" for n in sorted({mine[arm].steps for arm in again}))
        names = ", ".join(arm for arm in mine if arm in again)
        found.append(
            f"At {RULES[rule]} these are the very same trainings of {steps} steps as at"
            f" {RULES['steps']}, one finding and not two: {names}."
        )
    before = made.before if made.before is not None else float("inf")
    harmed = [line.arm for line in mine.values() if line.nll > before and line.arm not in again]
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
    if first in mine and first not in repeated:
        found.append(_beside_random(mine[first], rule))
    others = [arm for arm, line in mine.items() if line.verdict == "better" and arm != first]
    others = [arm for arm in others if arm not in repeated]
    if others:
        too = " too" if first in mine and mine[first].verdict == "better" else ""
        found.append(f"At {RULES[rule]} these are better than random{too}: {', '.join(others)}.")
    worse = [arm for arm, line in mine.items() if line.verdict == "worse" and arm not in repeated]
    if worse:
        found.append(f"At {RULES[rule]} these are worse than random: {', '.join(worse)}.")
    full = mine.get("full")
    if full is None:
        return found
    if full.seen < full.samples and "full" not in again:
        options = made.about["options"]
        batch = options["batch_size"] * options["gradient_accumulation"]
        found.append(
            f"At {RULES[rule]} a training on the whole pool saw {full.seen:,.0f} of its"
            f" {full.samples:,.0f} samples ({full.steps:,.0f} steps of {batch}): a random draw of"
            " so many."
        )
    if first in mine and not {first, "full"} <= again:
        found.append(_beside_full(mine[first], full, rule))
    return found


def _beside_random(line: Line, rule: str) -> str:
    gain = line.beside_random
    assert gain is not None
    told = f"At {RULES[rule]} {line.budget:,} of {line.arm!r} are "
    if gain.seeds < 2:
        return told + f"{gain.value:+.4f} nats per token beside random; one seed tells nothing."
    words = {"better": "better than random", "worse": "WORSE than random"}
    return f"{told}{words.get(line.verdict, 'NO BETTER THAN RANDOM')}: {_numbers(gain, line.p)}."


def _beside_full(line: Line, full: Line, rule: str) -> str:
    gain = line.beside_full
    assert gain is not None
    steps = f"{line.steps:,.0f} steps against {full.steps:,.0f}"
    told = f"At {RULES[rule]} {line.budget:,} of {line.arm!r} are "
    if gain.seeds < 2:
        return (
            f"{told}{gain.value:+.4f} nats per token beside the whole pool ({steps}); one seed"
            " tells nothing."
        )
    words = {"better": "better than the whole pool", "worse": "WORSE than the whole pool"}
    verdict = words.get(line.verdict_full, "not told apart from the whole pool")
    return f"{told}{verdict} ({steps}): {_numbers(gain, line.p_full)}."


def _numbers(gain: Difference, p: float) -> str:
    over_seeds, over_both = _both(gain).split("\n")
    return (
        f"{gain.value:+.4f} nats per token ({over_seeds} over seeds, {over_both} over seeds and"
        f" images; p {p:.3f} corrected for the number of arms)"
    )
