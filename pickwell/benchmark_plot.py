"""The plot of a benchmark: gain over random by budget, a panel for each rule."""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from finetune.reduce import Line

RULES = {"epochs": "equal epochs", "steps": "equal steps"}
LEAST, MOST = 1.0, 100.0
"""Points that the axis shows on either side of 0 at least, and at most: no gain is larger."""
ROW = 130
"""Characters of the methods' names that fit side by side under the panels."""


def plot(lines: list[Line]) -> str:
    """Gain over random by budget, a panel for each rule, bars for 95 %; an SVG."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from finetune.plot_style import COLOURS, STYLE, svg

    rules = list(dict.fromkeys(line.rule for line in lines))
    budgets = list(dict.fromkeys(line.budget for line in lines))
    names = [n for n in dict.fromkeys(line.method for line in lines) if n != "random"]
    beside = max(1, min(len(names), ROW // (max(map(len, names), default=0) + 6)))
    with rc_context(STYLE):
        height = 4.4 + 0.22 * math.ceil(len(names) / beside)
        figure = Figure(figsize=(10, height), layout="constrained")
        panels = figure.subplots(1, len(rules), sharey=True, squeeze=False)[0]
        for axes, rule in zip(panels, rules, strict=True):
            axes.axhline(0, color="#17191c", linewidth=0.8)
            axes.annotate(
                "random", (1, 0), (3, 0), xycoords=axes.get_yaxis_transform(),
                textcoords="offset points", va="center", fontsize=8,
            )  # fmt: skip
            for place, name in enumerate(names):
                mine = {x.budget: x for x in lines if x.rule == rule and x.method == name}
                style = {
                    "color": COLOURS[place % len(COLOURS)], "label": name,
                    "linestyle": "-" if place < len(COLOURS) else "--",
                }  # fmt: skip
                shift = (place - (len(names) - 1) / 2) * min(0.06, 0.8 / len(names))
                at = [number for number, budget in enumerate(budgets) if budget in mine]
                # shares and numbers per class are two scales: no line joins them
                for _, part in groupby(at, lambda number: "class" in budgets[number]):
                    numbers = list(part)
                    shown = [mine[budgets[number]] for number in numbers]
                    axes.errorbar(
                        [number + shift for number in numbers], [100 * x.gain for x in shown],
                        [0 if math.isnan(x.high) else 100 * (x.high - x.gain) for x in shown],
                        marker="o", ms=4, linewidth=0.8, elinewidth=1, **style,
                    )  # fmt: skip
                    style["label"] = "_again"
            turned = {"rotation": 30, "ha": "right"} if len(budgets) > 4 else {}
            axes.set_xticks(range(len(budgets)), budgets, **turned)
            axes.set_xlim(-0.5, len(budgets) - 0.5)
            axes.set_title(RULES[rule].capitalize(), loc="left", fontsize=11, pad=10)
        low, high = panels[0].get_ylim()
        panels[0].set_ylim(max(min(low, -LEAST), -MOST), min(max(high, LEAST), MOST))
        panels[0].set_ylabel("points over random; bars: 95 %")
        if names:
            handles, labels = panels[0].get_legend_handles_labels()
            figure.legend(
                handles, labels, frameon=False, fontsize=8, loc="outside lower center", ncols=beside
            )
        return svg(figure)
