"""What ``benchmark`` writes: the table for people and for programs, and a plot."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING

from pickwell.plain_json import plain_json

if TYPE_CHECKING:
    from finetune.reduce import Line
    from pickwell.benchmark_job import Benchmark
    from pickwell.config import BenchmarkConfig

RULES = {"epochs": "equal epochs", "steps": "equal steps"}
HEADINGS = ("method", "kept", "right, %", "over random", "95 %", "choosing", "memory", "verdict")


def write_files(made: Benchmark, settings: BenchmarkConfig) -> None:
    """``benchmark.json``, ``README.md`` and ``benchmark.svg``."""
    from pickwell import __version__

    told = {
        "version": __version__,
        "options": settings.model_dump(mode="json"),
        "pictures": made.rows,
        "lines": [asdict(line) | {"verdict": line.verdict} for line in made.lines],
        "outcomes": [asdict(one) for one in made.outcomes],
    }
    path = made.folder / "benchmark.json"
    path.write_text(plain_json(told), "utf-8")
    (made.folder / "benchmark.svg").write_text(plot(made.lines), "utf-8")
    (made.folder / "README.md").write_text(_page(made, settings), "utf-8")


def cells(line: Line) -> list[str]:
    """One line of the table, as text."""
    spread = "" if math.isnan(line.spread) else f" ± {100 * line.spread:.1f}"
    random = line.method == "random"
    gain = "" if random or math.isnan(line.gain) else f"{100 * line.gain:+.1f}"
    span = ""
    if not random and not math.isnan(line.low):
        span = f"{100 * line.low:+.1f} to {100 * line.high:+.1f}"
    seconds = f"{line.seconds:.2f} s"
    if line.score_seconds:
        seconds += f" + {line.score_seconds:.0f} s"
    return [
        line.method, f"{line.count:,.0f}", f"{100 * line.accuracy:.1f}{spread}", gain, span,
        seconds, f"{line.megabytes:.0f} MB", line.verdict,
    ]  # fmt: skip


def plot(lines: list[Line]) -> str:
    """Gain over random by budget, a panel for each rule; an SVG."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from finetune.plot_style import COLOURS, STYLE, svg

    rules = list(dict.fromkeys(line.rule for line in lines))
    budgets = list(dict.fromkeys(line.budget for line in lines))
    names = [n for n in dict.fromkeys(line.method for line in lines) if n != "random"]
    with rc_context(STYLE):
        figure = Figure(figsize=(10, 4.2), layout="constrained")
        panels = figure.subplots(1, len(rules), sharey=True, squeeze=False)[0]
        for axes, rule in zip(panels, rules, strict=True):
            axes.axhline(0, color="#17191c", linewidth=0.8)
            for place, name in enumerate(names):
                mine = {x.budget: x for x in lines if x.rule == rule and x.method == name}
                at = [number for number, budget in enumerate(budgets) if budget in mine]
                shown = [mine[budgets[number]] for number in at]
                shift = (place - (len(names) - 1) / 2) * 0.06
                axes.errorbar(
                    [number + shift for number in at], [100 * x.gain for x in shown],
                    [0 if math.isnan(x.high) else 100 * (x.high - x.gain) for x in shown],
                    fmt="o", ms=4, elinewidth=1, color=COLOURS[place % len(COLOURS)],
                    linestyle="-" if place < len(COLOURS) else "--", label=name,
                )  # fmt: skip
            axes.set_xticks(range(len(budgets)), budgets)
            axes.set_xlim(-0.5, len(budgets) - 0.5)
            axes.set_title(RULES[rule], loc="left", fontsize=11)
        panels[0].set_ylabel("points over random")
        panels[-1].legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
        return svg(figure)


def table(lines: list[Line], rule: str) -> str:
    """The lines of one rule as Markdown, budget by budget."""
    rows = ["| budget | " + " | ".join(HEADINGS) + " |", "|---" * (len(HEADINGS) + 1) + "|"]
    for line in lines:
        if line.rule == rule:
            rows.append(f"| {line.budget} | " + " | ".join(cells(line)) + " |")
    return "\n".join(rows)


def _page(made: Benchmark, settings: BenchmarkConfig) -> str:
    parts = [
        "# Reduction methods beside random",
        f"{made.rows:,} pictures; {settings.test_share:.0%} held out anew for each of "
        f"{settings.seeds} seeds, which took no part in any choice; {settings.model}, "
        f"{settings.epochs} epochs, accuracy after the last step. Gains are paired by seed.",
        "![gain over random](benchmark.svg)",
    ]
    for rule in dict.fromkeys(line.rule for line in made.lines):
        parts += [f"## {RULES[rule].capitalize()}", table(made.lines, rule)]
    return "\n\n".join(parts + errors(made.lines)) + "\n"


def errors(lines: list[Line]) -> list[str]:
    """A sentence for each method whose score has a standard error that is known."""
    worst: dict[str, float] = {}
    for line in lines:
        if line.score_error is not None:
            worst[line.method] = max(worst.get(line.method, 0.0), line.score_error)
    return [
        f"The standard error of one picture's score in {method} is {error:.2f} at most."
        for method, error in worst.items()
    ]
