"""The measured part of docs/pruning.md, and its plots, out of the JSON files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
TITLES = {"mnist": "MNIST", "clipart": "Open Clip Art", "wesnoth": "Wesnoth"}
Line = dict[str, Any]


def write_page(docs: Path) -> None:
    """Put the tables between the marks of ``pruning.md``, or into a page of their own."""
    place = docs / "pruning"
    found = {path.stem: json.loads(path.read_text("utf-8")) for path in place.glob("*.json")}
    parts = []
    if "curves" in found:
        parts.append(_curves(found["curves"]["answer"], place))
    for name in ("network_mnist", "network_wesnoth"):
        if name in found:
            parts.append(_network(name, found[name]["answer"]))
    if "duplicates" in found:
        parts.append(_duplicates(found["duplicates"]["answer"]))
    minutes = sum(answer["minutes"] for answer in found.values())
    parts.append(f"All of it took {minutes:.0f} minutes on two cores: `make proof-pruning`.")
    text = "\n\n".join(parts)
    page = docs / "pruning.md"
    old = page.read_text("utf-8") if page.is_file() else f"{BEGIN}\n{END}\n"
    before, after = old.split(BEGIN)[0], old.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", "utf-8")


def _points(value: float, low: float, high: float) -> str:
    """In percentage points, in bold where the interval is off zero."""
    if low != low:
        return "" if value != value else f"{100 * value:+.1f}"
    told = f"{100 * value:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
    return f"**{told}**" if low > 0 or high < 0 else told


def _curves(answer: dict[str, list[Line]], place: Path) -> str:
    parts = [
        "### Probes over the kept fraction\n\n"
        "A linear probe on the embedded encoder's vectors, tested on pictures that neither it nor "
        "the prototypes saw. Gain over random picks in percentage points with its 95 % interval, "
        "paired over 5 seeds, which divide one corpus anew and so depend on each other; bold where "
        "it is off zero, uncorrected for the number of comparisons; 50 % class balance."
    ]
    for name, lines in answer.items():
        rows = []
        for kind in ("k-means", "class means"):
            for size in (1.0, 0.1):
                here = [x for x in lines if x["prototypes"] == kind and x["share"] == size]
                for fraction in sorted({x["fraction"] for x in here} - {1.0}):
                    cell = {x["strategy"]: x for x in here if x["fraction"] == fraction}
                    hard, easy, random = (cell[s] for s in ("hard", "easy", "random"))
                    rows.append(
                        f"| {kind} | {hard['rows']:,} | {fraction:.0%} | "
                        f"{_points(hard['gain'], hard['low'], hard['high'])} | "
                        f"{_points(easy['gain'], easy['low'], easy['high'])} | "
                        f"{100 * random['accuracy']:.1f} | "
                        f"{_beside(random)} | {_beside(hard)} |"
                    )
        every = {x["rows"]: x["accuracy"] for x in lines if x["fraction"] == 1.0}
        whole = ", ".join(f"{100 * a:.1f} % of {n:,}" for n, a in sorted(every.items())[::-1])
        head = (
            f"**{TITLES[name]}** (everything kept: {whole})\n\n"
            "| prototypes | pictures | kept | hard | easy | random, % right | random - all | "
            "hard - all |\n|---|---|---|---|---|---|---|---|"
        )
        parts.append("\n".join([head, *rows]))
        (place / f"curves_{name}.svg").write_text(_plot(TITLES[name], lines), "utf-8")
        parts.append(f"![{TITLES[name]}](pruning/curves_{name}.svg)")
    return "\n\n".join(parts)


def _beside(line: Line) -> str:
    return _points(line["beside_all"], line["all_low"], line["all_high"])


def _network(name: str, lines: list[Line]) -> str:
    title = TITLES[name.removeprefix("network_")]
    rows = []
    for size in (1.0, 0.1):
        for rule in ("epochs", "steps"):
            here = [x for x in lines if x["share"] == size and x["rule"] == rule]
            for fraction in sorted({x["fraction"] for x in here}):
                cell = {x["strategy"]: x for x in here if x["fraction"] == fraction}
                hard, easy, random = (cell[s] for s in ("hard", "easy", "random"))
                rows.append(
                    f"| {size:.0%} | equal {rule} | {fraction:.0%} | "
                    f"{_points(hard['gain'], hard['low'], hard['high'])} | "
                    f"{_points(easy['gain'], easy['low'], easy['high'])} | "
                    f"{100 * random['accuracy']:.1f} | {100 * random['all']:.1f} | "
                    f"{_beside(random)} | {_beside(hard)} |"
                )
    seeds = lines[0]["seeds"] if lines else 0
    return "\n".join(
        [
            f"### A network from scratch: {title}\n",
            "Three convolutions, last epoch, trained on the kept pictures alone; prototypes by "
            f"k-means. Gain over random in points, {seeds} seeds.\n",
            "| data | rule | kept | hard | easy | random, % right | all, % right | "
            "random - all | hard - all |",
            "|---|---|---|---|---|---|---|---|---|",
            *rows,
        ]
    )


def _duplicates(answer: dict[str, Any]) -> str:
    rows = []
    for line in answer["lines"]:
        asked = f"share {line['fraction']:.0%}" if "fraction" in line else "cosine"
        rows.append(
            f"| {asked} | {line['threshold_reached']:.3f} | {line['gone']:,} ({line['share']:.1%}) "
            f"| {line['precision']:.1%} | {line['recall']:.1%} | {line['planted_gone']:.1%} |"
        )
    ranked = answer["spares_among_a_fifth_pruned_by_rank"]
    told = ", ".join(f"{s} {100 * r['among_the_removed']:.0f} %" for s, r in ranked.items())
    share = 100 * ranked["random"]["in_the_corpus"]
    return "\n".join(
        [
            "### Are duplicates what goes first?\n",
            f"Open Clip Art with {answer['planted']} planted near copies (cut by 4 %, scaled to "
            f"80 %, JPEG): {answer['rows']:,} pictures, {answer['spares']:,} of them spare, "
            f"{answer['prototypes']} clusters. Precision: of what goes, how much is the same "
            "picture as what it goes for; recall: how many of the spares go.\n",
            "| asked for | cosine reached | gone | precision | recall | planted pairs settled |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            f"By rank alone they do not: of the fifth that goes, pictures with their like in the "
            f"corpus are {told}, and {share:.0f} % of the whole corpus.",
        ]
    )


def _plot(title: str, lines: list[Line]) -> str:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from finetune.plot_style import COLOURS, STYLE, svg

    with rc_context(STYLE):
        figure = Figure(figsize=(8.6, 5.6), layout="constrained")
        grid = figure.subplots(2, 2, sharex=True)
        for row, kind in enumerate(("k-means", "class means")):
            for column, size in enumerate((1.0, 0.1)):
                axes = grid[row][column]
                here = [x for x in lines if x["prototypes"] == kind and x["share"] == size]
                for place, strategy in enumerate(("hard", "easy")):
                    mine = sorted(
                        (x for x in here if x["strategy"] == strategy and x["fraction"] < 1),
                        key=lambda x: x["fraction"],
                    )
                    at = [x["fraction"] for x in mine]
                    axes.fill_between(
                        at, [100 * x["low"] for x in mine], [100 * x["high"] for x in mine],
                        color=COLOURS[place], alpha=0.18, linewidth=0,
                    )  # fmt: skip
                    axes.plot(
                        at, [100 * x["gain"] for x in mine], "o-", color=COLOURS[place],
                        label=f"keep {strategy}",
                    )  # fmt: skip
                axes.axhline(0, color="#17191c", linewidth=0.8)
                rows = here[0]["rows"] if here else 0
                axes.set_title(f"{kind}, {rows:,} pictures", loc="left", fontsize=10)
                if row:
                    axes.set_xlabel("kept")
                if not column:
                    axes.set_ylabel("points over random")
        grid[0][0].legend(frameon=False)
        figure.suptitle(f"{title}: probe accuracy beside random picks", x=0.01, ha="left")
        return svg(figure)
