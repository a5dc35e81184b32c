"""Plots of a comparison as SVG: each arm beside random, and the curve over budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from finetune.compare.arms import BASELINE
from finetune.compare.table import Line
from finetune.plot_style import COLOURS, STYLE, svg

_RULES = {"steps": "equal steps", "epochs": "equal epochs"}


def beside_random_plot(lines: Sequence[Line], budget: int) -> str:
    """Gain of each arm over random with its interval; right of zero is better.

    Args:
        lines: Of a comparison.
        budget: Which budget is shown.

    Returns:
        An SVG document; empty if no arm stands beside random.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    shown = [row for row in lines if row.budget == budget and row.beside_random is not None]
    names = list(dict.fromkeys(row.arm for row in shown))[::-1]
    rules = list(dict.fromkeys(row.rule for row in shown))
    if not shown:
        return ""
    with rc_context(STYLE):
        figure = Figure(figsize=(7.6, 0.8 + 0.42 * len(names)), layout="constrained")
        axes = figure.subplots()
        axes.axvline(0, color="#17191c", linewidth=0.8)
        for place, rule in enumerate(rules):
            offset = (place - (len(rules) - 1) / 2) * 0.26
            for row in shown:
                if row.rule != rule or row.beside_random is None:
                    continue
                gain = row.beside_random
                height = names.index(row.arm) - offset
                colour = COLOURS[place]
                axes.plot([gain.low_both, gain.high_both], [height] * 2, color=colour, lw=1.2)
                if gain.seeds > 1:
                    axes.plot([gain.low, gain.high], [height] * 2, color=colour, lw=3.4, alpha=0.45)
                label = _RULES[rule] if row is _first(shown, rule) else None
                axes.plot(gain.value, height, "o", color=colour, markersize=5, label=label)
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("log-likelihood gained over random, nats per response token")
        axes.set_title(f"{budget:,} chosen, beside random", loc="left", fontsize=11)
        if len(rules) > 1:
            axes.legend(frameon=False, loc="best")
        return svg(figure)


def curve_plot(lines: Sequence[Line], rule: str, names: Sequence[str]) -> str:
    """Loss over the budget, with the standard deviation over seeds.

    Args:
        lines: Of a comparison.
        rule: ``"steps"`` or ``"epochs"``.
        names: Arms to draw.

    Returns:
        An SVG document; empty with fewer than two budgets.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    shown = [row for row in lines if row.rule == rule and row.arm in names]
    budgets = sorted({row.budget for row in shown})
    if len(budgets) < 2:
        return ""
    with rc_context(STYLE):
        figure = Figure(figsize=(7.6, 3.6), layout="constrained")
        axes = figure.subplots()
        for place, name in enumerate(names):
            mine = sorted((row for row in shown if row.arm == name), key=lambda row: row.budget)
            if not mine:
                continue
            colour = COLOURS[1] if name == BASELINE else COLOURS[0 if place == 0 else place + 1]
            x = [row.budget for row in mine]
            y = [row.nll for row in mine]
            spread = [row.spread if row.spread == row.spread else 0.0 for row in mine]
            axes.fill_between(
                x,
                [a - b for a, b in zip(y, spread, strict=True)],
                [a + b for a, b in zip(y, spread, strict=True)],
                color=colour,
                alpha=0.15,
                linewidth=0,
            )
            axes.plot(x, y, "o-", color=colour, markersize=4, label=name)
        axes.set_xscale("log", base=2)
        axes.set_xticks(budgets, [f"{budget:,}" for budget in budgets])
        axes.minorticks_off()
        axes.set_xlabel("samples chosen")
        axes.set_ylabel("loss on the target, nats per token")
        axes.set_title(f"{_RULES[rule]}; lower is better", loc="left", fontsize=11)
        axes.legend(frameon=False, loc="best")
        return svg(figure)


def plots(lines: Sequence[Line], budget: int, curve: Sequence[str]) -> Mapping[str, str]:
    """Every plot that there is something for, by file name without ending."""
    made = {
        "beside_random": beside_random_plot(lines, budget),
        "budgets_equal_steps": curve_plot(lines, "steps", curve),
        "budgets_equal_epochs": curve_plot(lines, "epochs", curve),
    }
    return {name: svg for name, svg in made.items() if svg}


def _first(rows: Sequence[Line], rule: str) -> Line:
    return next(row for row in rows if row.rule == rule)
