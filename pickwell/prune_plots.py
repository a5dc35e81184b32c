"""Plots of a pruned corpus: what probes say over the kept fraction, and the distances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from finetune.plot_style import COLOURS, STYLE, svg

if TYPE_CHECKING:
    import numpy as np

    from selector.prune.pilot import Pilot

_COLOUR = {"hard": COLOURS[3], "easy": COLOURS[0], "random": COLOURS[1], "moderate": COLOURS[2]}
_SHIFT = {"hard": -0.006, "easy": 0.006}
"""Of kept fractions, so that intervals do not hide each other."""
BINS = 60


def probe_curve(pilot: Pilot) -> str:
    """Accuracy over kept fraction, and the gain over random, with 95 % intervals; an SVG."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    table = pilot.table()
    whole = max(line["share"] for line in table)
    lines = [line for line in table if line["share"] == whole]
    sizes = sorted({line["share"] for line in table})
    asked = next(line["fraction"] for line in table)
    with rc_context(STYLE):
        figure = Figure(figsize=(11, 3.9), layout="constrained")
        left, right = figure.subplots(1, 2)
        for strategy in dict.fromkeys(line["strategy"] for line in lines):
            mine = sorted(
                (line for line in lines if line["strategy"] == strategy),
                key=lambda line: line["fraction"],
            )
            at = [line["fraction"] + _SHIFT.get(strategy, 0.0) for line in mine]
            left.errorbar(
                at, [100 * line["accuracy"] for line in mine],
                [100 * (line["accuracy_high"] - line["accuracy"]) for line in mine], fmt="o-",
                ms=4, elinewidth=1, color=_COLOUR[strategy], label=strategy,
            )  # fmt: skip
            if strategy == "random":
                continue
            here = [
                line for line in table
                if line["strategy"] == strategy and line["fraction"] == asked
            ]  # fmt: skip
            here.sort(key=lambda line: line["share"])
            gain = [100 * line["gain"] for line in here]
            spread = [100 * (line["high"] - line["gain"]) for line in here]
            shift = 1.0 if strategy == "hard" else 1.06
            right.errorbar(
                [shift * line["rows"] for line in here], gain, spread, fmt="o-", ms=4,
                elinewidth=1, color=_COLOUR[strategy], label=strategy,
            )  # fmt: skip
        left.set_xlabel("kept fraction")
        left.set_ylabel("accuracy of a probe, %, with 95 %")
        left.set_title(pilot.part, loc="left", fontsize=11)
        left.legend(frameon=False, fontsize=9)
        right.axhline(0, color=_COLOUR["random"], linewidth=1)
        right.set_xlabel("pictures before pruning")
        right.set_ylabel("points over random, 95 %")
        right.set_title(f"{asked:.0%} kept", loc="left", fontsize=11)
        if len(sizes) > 1:
            right.set_xscale("log")
        return svg(figure)


def distances(distance: np.ndarray, kept: np.ndarray) -> str:
    """How far pictures lie from their prototypes, kept ones and pruned ones; an SVG."""
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
        figure = Figure(figsize=(11, 2.9), layout="constrained")
        axes: Any = figure.subplots()
        axes.hist(
            [stays, goes], edges, stacked=True, color=[COLOURS[0], "#d6604d"],
            label=["stays", "goes"],
        )  # fmt: skip
        axes.set_xlabel("distance to the nearest prototype (1 - cosine); right is hard")
        axes.set_ylabel("pictures")
        axes.legend(frameon=False, fontsize=9)
        return svg(figure)
