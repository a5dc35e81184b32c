"""Plots of a pruned corpus: what probes say over the kept fraction, and the distances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from finetune.plot_style import COLOURS, STYLE, svg

if TYPE_CHECKING:
    import numpy as np

    from selector.prune.pilot import Pilot

_COLOUR = {"hard": COLOURS[3], "easy": COLOURS[0], "random": COLOURS[1], "moderate": COLOURS[2]}
_SHIFT = {"hard": -3.0, "easy": 3.0, "moderate": 6.0}
"""Of marks and their bars, in points on the page whatever the axis, so that none hides another."""
BINS = 60


def probe_curve(pilot: Pilot) -> str:
    """Accuracy over kept fraction, and the gain over random, with 95 % intervals; an SVG."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    table = pilot.table()
    whole = max(line["share"] for line in table)
    asked = next(line["fraction"] for line in table)
    with rc_context(STYLE):
        figure = Figure(figsize=(11, 4.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        for strategy in dict.fromkeys(line["strategy"] for line in table):
            mine = [line for line in table if line["strategy"] == strategy]
            here = [line for line in mine if line["share"] == whole]
            _bars(left, strategy, here, "fraction", ("accuracy", "accuracy_low", "accuracy_high"))
            if strategy != "random":
                here = [line for line in mine if line["fraction"] == asked]
                _bars(right, strategy, here, "rows", ("gain", "low", "high"))
        left.set_xlabel("kept fraction")
        left.set_ylabel("accuracy of a probe, %, with 95 %")
        left.set_title(pilot.part, loc="left", fontsize=11)
        right.axhline(0, color=_COLOUR["random"], linewidth=1)
        right.set_ylabel("points over random, 95 %")
        right.set_title(f"{asked:.0%} kept", loc="left", fontsize=11)
        _true_sizes(right, sorted({line["rows"] for line in table if line["fraction"] == asked}))
        _legend_below(figure, left)
        return svg(figure)


def _bars(
    axes: Any, strategy: str, lines: list[dict[str, Any]], along: str, names: tuple[str, str, str]
) -> None:
    """A strategy's value with its interval over one column, in percent; shifted on the page."""
    from matplotlib.transforms import ScaledTranslation

    lines = sorted(lines, key=lambda line: line[along])
    value, low, high = ([100 * line[name] for line in lines] for name in names)
    down = [v - least for v, least in zip(value, low, strict=True)]
    up = [most - v for v, most in zip(value, high, strict=True)]
    drawn = axes.errorbar(
        [line[along] for line in lines], value, [down, up], fmt="o-", ms=4, elinewidth=1,
        color=_COLOUR[strategy], label=strategy,
    )  # fmt: skip
    shift = ScaledTranslation(_SHIFT.get(strategy, 0.0) / 72, 0, axes.figure.dpi_scale_trans)
    for part in drawn.get_children():  # after the axes have taken their limits from true values
        part.set_transform(axes.transData + shift)


def _true_sizes(axes: Any, sizes: list[int]) -> None:
    """Ticks at the sizes that were tried and nowhere else; one alone stands in the middle."""
    from matplotlib.ticker import NullLocator

    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    room = max(1.5, (sizes[-1] / sizes[0]) ** 0.08)
    axes.set_xlim(sizes[0] / room, sizes[-1] * room)
    axes.set_xlabel("pictures before pruning")


def _legend_below(figure: Any, axes: Any) -> None:
    """The legend under all axes, where it covers nothing."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=9
    )


def distances(distance: np.ndarray, kept: np.ndarray, label: str) -> str:
    """How hard pictures are, kept ones and pruned ones; an SVG.

    Args:
        distance: (n,) distance to the prototype or another score; NaN: none.
        kept: Rows that stay.
        label: What it is.
    """
    import numpy as np
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    known = distance[~np.isnan(distance)]
    edges = np.histogram_bin_edges(known, BINS)
    stays = distance[kept]
    mask = np.ones(len(distance), bool)
    mask[kept] = False
    goes = distance[mask & ~np.isnan(distance)]
    with rc_context(STYLE):
        figure = Figure(figsize=(11, 3.1), layout="constrained")
        axes: Any = figure.subplots()
        axes.hist(
            [stays, goes], edges, stacked=True, color=[COLOURS[0], "#d6604d"],
            label=["stays", "goes"],
        )  # fmt: skip
        axes.set_xlabel(label)
        axes.set_ylabel("pictures")
        _legend_below(figure, axes)
        return svg(figure)
