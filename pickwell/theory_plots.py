"""The theory's two figures, after those of the paper: a perfect probe, and imperfect ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from finetune.plot_style import COLOURS, STYLE, svg
from selector.prune.theory import Keep, solve
from selector.prune.theory_frontier import best_fraction, crossover

if TYPE_CHECKING:
    from pickwell.theory_job import Theory

ALPHAS = np.geomspace(0.5, 20, 18)
FRONTIER_ALPHAS = np.geomspace(0.5, 20, 9)
CROSSED = np.linspace(0.06, 0.94, 23)
_INK = "#17191c"
Tell = Callable[[str, int, int | None], None]


def figures(made: Theory, tell: Tell) -> Mapping[str, str]:
    """Both figures as SVG documents by name; the second only if an angle above 0 was asked for.

    Args:
        made: What was worked out.
        tell: Called with ``(stage, done, total)``.
    """
    imperfect = [theta for theta in made.parameters["thetas"] if theta > 0]
    total = 3 + len(imperfect)
    drawn = {"figure1": _first(made, lambda done: tell("drawing", done, total))}
    if imperfect:
        drawn["figure2"] = _second(made, imperfect, lambda done: tell("drawing", 3 + done, total))
    return drawn


def _first(made: Theory, tell: Callable[[int], None]) -> str:
    """A perfect probe: keep hard, keep easy, and which of them when."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=(11.5, 3.9), layout="constrained")
        axes = figure.subplots(1, 3)
        for place, keep in enumerate(("hard", "easy")):
            _curves(axes[place], made, 0.0, keep)  # type: ignore[arg-type]
            axes[place].set_title(f"keep {keep}, perfect probe", loc="left", fontsize=11)
            tell(place + 1)
        axes[0].legend(frameon=False, fontsize=8, title="kept fraction", title_fontsize=8)
        where = [crossover(float(fraction)) for fraction in CROSSED]
        edge = np.array([np.nan if total is None else total for total in where])
        axes[2].fill_betweenx(CROSSED, 1, edge, color=COLOURS[2], alpha=0.14, linewidth=0)
        axes[2].fill_betweenx(CROSSED, edge, 100, color=COLOURS[0], alpha=0.14, linewidth=0)
        axes[2].plot(edge, CROSSED, color=_INK, linewidth=1.4)
        axes[2].text(1.3, 0.5, "keep easy", color=COLOURS[2])
        axes[2].text(17, 0.5, "keep hard", color=COLOURS[0])
        axes[2].set_xscale("log")
        axes[2].set_xlim(1, 100)
        axes[2].set_ylim(CROSSED[0], CROSSED[-1])
        axes[2].set_xlabel("samples per dimension before pruning")
        axes[2].set_ylabel("kept fraction")
        axes[2].set_title("the better of the two", loc="left", fontsize=11)
        tell(3)
        return svg(figure)


def _second(made: Theory, thetas: Sequence[float], tell: Callable[[int], None]) -> str:
    """Imperfect probes: errors for each angle, and the best fraction for all."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        panels = len(thetas) + 1
        figure = Figure(figsize=(3.8 * panels, 3.9), layout="constrained")
        axes = figure.subplots(1, panels)
        for place, theta in enumerate(thetas):
            best = _curves(axes[place], made, theta, made.parameters["keep"])
            axes[place].set_title(
                f"keep {made.parameters['keep']}, probe {theta:g}° off", loc="left", fontsize=11
            )
            colour = COLOURS[place % len(COLOURS)]
            axes[-1].plot(FRONTIER_ALPHAS, best, "o-", color=colour, ms=3, label=f"{theta:g}°")
            tell(place + 1)
        axes[0].legend(frameon=False, fontsize=8, title="kept fraction", title_fontsize=8)
        axes[-1].set_xscale("log")
        axes[-1].set_ylim(0, 1.03)
        axes[-1].set_xlabel("kept samples per dimension")
        axes[-1].set_ylabel("kept fraction")
        axes[-1].set_title("the best fraction", loc="left", fontsize=11)
        axes[-1].legend(frameon=False, fontsize=8, title="probe off by", title_fontsize=8)
        return svg(figure)


def _curves(axes: Any, made: Theory, theta: float, keep: Keep) -> list[float]:
    """Errors over kept samples for each fraction, the frontier, and students where trained.

    Returns:
        The best fraction at each of :data:`FRONTIER_ALPHAS`.
    """
    fractions = sorted(made.parameters["fractions"], reverse=True)
    for place, fraction in enumerate(fractions):
        colour = COLOURS[place % len(COLOURS)]
        errors = [solve(float(a), fraction, theta=theta, keep=keep).error for a in ALPHAS]
        axes.plot(ALPHAS, errors, color=colour, linewidth=1.5, label=f"{fraction:g}")
        for point in made.points:
            one, found = point.solution, point.simulated
            if found is None or (one.theta, one.fraction, one.keep) != (theta, fraction, keep):
                continue
            spread = 0.0 if np.isnan(found.standard_error) else 2 * found.standard_error
            axes.errorbar(
                one.alpha, found.error, spread, fmt="o", color=colour, ms=3.5, elinewidth=1
            )
    best = [
        best_fraction(float(a), theta=theta, keep=keep, smallest=made.parameters["smallest"])
        for a in FRONTIER_ALPHAS
    ]
    axes.plot(
        FRONTIER_ALPHAS, [b.error for b in best], "--", color=_INK, linewidth=1.2, label="best"
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("kept samples per dimension")
    axes.set_ylabel("generalisation error")
    return [b.fraction for b in best]
