"""The page of a comparison: verdicts, the plots, and every figure in tables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickwell.compare_summary import RULES, table_of, verdicts
from pickwell.report.pages import style, template
from pickwell.words import many

if TYPE_CHECKING:
    from pickwell.compare_job import Comparison

_STYLES = ("style.css", "charts.css", "comparison.css")
_CAPTIONS = {
    "beside_random": "Gain over random picks: dot the mean, thick the 95 % interval over seeds,"
    " thin the one over seeds and images of the target. Right of the line is better.",
    "budgets_equal_steps": "The curve over budgets at equal steps; bands are standard deviations"
    " over seeds.",
    "budgets_equal_epochs": "The same at equal epochs: more samples are trained on for longer.",
}
LIMITS = (
    "What is compared holds for this model, this target, this learning rate and trainings of this"
    " length. Another target can turn the order round.",
    "An arm is called better or worse only if both intervals agree and p, corrected for the number"
    " of arms in its table (Holm), is below 0.05. Beside the whole pool (full) p is corrected"
    " apart.",
    "Seconds of choosing are those of scoring the whole run with all its metrics, also for arms"
    " that use one of them: an upper bound (of k-center and longest those of the parts that they"
    " use). They are unknown where scoring took parts from the"
    " cache, and for a selection folder that was not chosen from this very run.",
    "The line (no training) is the model as it was, beside random: an arm that ends below it in"
    " gain has done harm. It is no arm; its p is not corrected.",
)
_RULES_SAY = {
    "steps": "At equal steps a small choice is seen more often than a large one.",
    "epochs": "At equal epochs a large choice is trained for longer than a small one.",
}


def write_comparison_page(made: Comparison, record: dict[str, Any], path: Path) -> Path:
    """Write the page; it is complete or not there at all."""
    from data_cards.replacing import replacing

    with replacing(path, "w") as file:
        for chunk in template("comparison.html").generate(
            page=_page(made, record), style=style(_STYLES)
        ):
            file.write(chunk)
    return path


def _page(made: Comparison, record: dict[str, Any]) -> dict[str, Any]:
    first, *rest = verdicts(made)
    options = record["options"]
    rules = list(dict.fromkeys(line.rule for line in made.lines))
    both = ["Both rules stand here since neither alone is fair."] if len(rules) > 1 else []
    tables = []
    for budget, rule in dict.fromkeys((line.budget, line.rule) for line in made.lines):
        headings, found = table_of(made, budget, rule)
        rows = [{"cells": cells, "verdict": cells[-1]} for cells in found]
        title = f"{budget:,} chosen, {RULES[rule]}"
        tables.append({"title": title, "headings": headings, "rows": rows})
    return {
        "created": record["created"].replace("T", " ").replace("+00:00", " UTC"),
        "budget": made.budget,
        "pool": record["pool"],
        "lead": rest or [first],
        "plots": [
            {"svg": _inline(svg), "caption": _CAPTIONS[name]} for name, svg in made.plots.items()
        ],
        "tables": tables,
        "arms": [{"name": arm.name, "about": arm.about} for arm in made.arms],
        "facts": [
            ("Measured on", first),
            ("Target", str(record["target"].get("path") or "samples given in Python")),
            (
                "Training",
                f"{options['train']} of {options['model']}, {_length(options)}",
            ),
            ("Model key", str(record["model"])),
        ],
        "limits": [*LIMITS, *(_RULES_SAY[rule] for rule in rules), *both],
    }


def _length(options: dict[str, Any]) -> str:
    batch = options["batch_size"] * options["gradient_accumulation"]
    told = f"{many(options['steps'], 'step')} of {batch} samples"
    epochs = options["epochs"]
    return told if epochs is None else f"{told} or {epochs:g} epoch{'' if epochs == 1 else 's'}"


def _inline(svg: str) -> str:
    """The drawing alone, without what stands before it in a document of its own."""
    return re.sub(r"^.*?(?=<svg)", "", svg, count=1, flags=re.DOTALL)
