"""Gains over random on one look: methods down, budgets across."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pickwell.benchmark_files import points

if TYPE_CHECKING:
    from finetune.reduce import Line

LEGEND = (
    "Points over random at the same budget: **better** or *worse* where the 95 % interval over the "
    "seeds says so; each stands by itself, and of twenty such intervals one misses by chance."
)


def gains(lines: list[Line], rule: str) -> str:
    """One rule as a Markdown table; random's row is how much is right.

    Args:
        lines: Of all rules.
        rule: ``"epochs"`` or ``"steps"``.
    """
    cells = {(one.method, one.budget): one for one in lines if one.rule == rule}
    budgets = list(dict.fromkeys(budget for _, budget in cells))
    methods = [name for name in dict.fromkeys(method for method, _ in cells) if name != "random"]
    rows = ["| method | " + " | ".join(budgets) + " |", "|---|" + "---:|" * len(budgets)]
    accuracy = [_right(cells.get(("random", budget))) for budget in budgets]
    rows.append("| random, % right | " + " | ".join(accuracy) + " |")
    for method in methods:
        shown = [_gain(cells.get((method, budget))) for budget in budgets]
        rows.append(f"| {method} | " + " | ".join(shown) + " |")
    return "\n".join(rows)


def _right(line: Line | None) -> str:
    return "" if line is None else f"{100 * line.accuracy:.1f}"


def _gain(line: Line | None) -> str:
    if line is None or math.isnan(line.gain):
        return ""
    mark = {"better": "**", "worse": "*"}.get(line.verdict, "")
    return f"{mark}{points(line.gain)}{mark}"
