"""``docs/proof.md`` from the results: every table, and in words what they show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from finetune.compare.arms import BASELINE
from finetune.compare.table import UNTRAINED
from pickwell.compare_summary import UNKNOWN, seen_of

KINDS = {
    "all": "all defects",
    "boilerplate": "boilerplate (planted)",
    "boilerplate title": "boilerplate title (natural)",
    "empty": "empty (planted)",
    "empty title": "empty title (natural)",
}
RULES = {"steps": "equal steps", "epochs": "equal epochs"}


def page(results: Mapping[str, Any]) -> str:
    """The whole page, as Markdown."""
    about = results["about"]
    parts = [
        "# The proof",
        "",
        "<!-- Written by: make proof -->",
        "",
        f"Made by `{about['command']}` in {about['minutes']:.0f} minutes on {about['cores']} cores"
        f" (pickwell {about['version']}, {about['date']}); figures as JSON and plots in"
        " [docs/proof](proof).",
        "",
        *_setting(about),
        *_section("1. Does the quality find defects?", _defects(results.get("defects"))),
        *_section("2. Do the chosen beat random, and everything?", _arms(results)),
        *_section("3. What is each design of labels worth?", _designs(results.get("designs"))),
        *_section("4. What does diversity add?", _diversity(results.get("diversity"))),
        *_section("5. Does a learned quality help elsewhere?", _elsewhere(results.get("transfer"))),
        *_notes(),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _setting(about: Mapping[str, Any]) -> list[str]:
    size = about["size"]
    return [
        "## Setting",
        "",
        f"- **Mixed pool**: the demo pool's part to choose from, {about['pool']:,} pairs,"
        f" {about['defects']:,} of them defective (natural and planted). **Clean pool**: the"
        f" {about['clean']:,} without a known defect.",
        f"- **Target for labels** and **test** share no picture with the pools or each other:"
        f" at most {size['target']} and {size['test']} good pairs. No selector, label or fit sees"
        " the test pairs.",
        "- **Model**: the embedded VLM; no pair of the pools was in the training of its parts."
        f" Trained: {size['train']}, peak learning rate {size['learning_rate']:g}, bfloat16,"
        " cached features. Trainings for labels: "
        f"{size['label_steps']} steps at {size['label_rate']:g}, each on a whole subset of"
        f" {size['size']}; of a cluster, which is larger, on as many others of its samples, so that"
        f" {size['label_steps'] * size['size']} of them are seen.",
        f"- **Comparisons**: {size['budget']} chosen, {size['steps']} steps of 8 samples,"
        f" {size['seeds']} seeds ({size['few_seeds']} for what diversity adds)."
        " Gains are in nats of log-likelihood per response token of the test, paired by seed;"
        " above 0 is better than random. `better` and `worse` need both intervals, and a p that is"
        " corrected for the number of arms (Holm) below 0.05. `(no training)` is the model as it"
        " was.",
        "- **Quality**: learned by `pickwell fit` from 400 pairs whose truth is given away"
        " (they count nowhere in table 1); the test's are not among them. No mark is given of the"
        " clean pool: there, `selected` goes by the consensus.",
        "",
    ]


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [f"## {title}", "", *(lines or ["Not measured in this run."]), ""]


def _defects(found: Mapping[str, Any] | None) -> list[str]:
    if not found:
        return []
    table, spans, counts = found["auroc"], found["intervals"], found["counts"]
    kinds = [kind for kind in next(iter(table.values())) if counts[kind] >= 5]
    lines = [
        "Chance that a good pair scores above a defective one (area under the ROC curve; 0.5 is"
        " chance). A pair without a score, or refused by a floor where it says so, counts as"
        f" lowest. {counts['good']:,} good pairs.",
        "",
    ]
    shown = list(spans)
    short = {name: f"({chr(97 + place)})" for place, name in enumerate(shown)}
    lines += [f"- {short[name]} {name}" for name in shown]
    head = ["defect", "pairs", *(short[name] for name in shown)]
    lines += ["", *_table(head, [_defect_row(kind, found, shown) for kind in kinds]), ""]
    lines += [
        "And each metric alone, in the direction that it declares:",
        "",
    ]
    alone = [name for name in table if name not in spans]
    rows = [[name, *(_two(table[name][kind]) for kind in kinds)] for name in alone]
    return lines + _table(["metric", *kinds], rows)


def _defect_row(kind: str, found: Mapping[str, Any], shown: Sequence[str]) -> list[str]:
    counts = found["counts"]
    pairs = counts[kind]
    cells = []
    for name in shown:
        low, high = found["intervals"][name][kind]
        cells.append(f"{found['auroc'][name][kind]:.3f} ({_two(low)}-{_two(high)})")
    return [KINDS.get(kind, kind.replace("_", " ")), f"{pairs:,}", *cells]


def _arms(results: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for name, title in (("mixed", "Mixed pool"), ("clean", "Clean pool")):
        found = results.get(name)
        if found:
            lines += [f"### {title}", "", *_lines(found), *_plots(name, found), ""]
    curve = results.get("budgets")
    if curve:
        lines += ["### Over budgets", "", *_lines(curve), *_plots("budgets", curve), ""]
    return lines[:-1]


def _lines(found: Mapping[str, Any] | None) -> list[str]:
    """Verdicts, and a row for each arm; one row where both rules are the same trainings."""
    if not found:
        return []
    same = found.get("same_by_both_rules", {})
    full = any(line.get("beside_full") for line in found["lines"])
    rows = []
    for line in (*found["lines"], *found.get("untrained", [])):
        shared = same.get(str(line["budget"]), [])
        both = line["arm"] in shared or (line["arm"] == UNTRAINED and BASELINE in shared)
        if line["rule"] == "epochs" and both:
            continue
        rows.append(_line(line, f"{RULES[line['rule']]}{' and epochs' if both else ''}", full))
    head = [
        *("arm", "trained on", "rule", "loss", "gain over random", "95 % seeds"),
        *("95 % seeds and images", "p"),
        *(("gain over full", "95 % seeds", "95 % seeds and images", "p") if full else ()),
        *("steps", "choosing", "training", "verdict"),
    ]
    return [*(f"- {sentence}" for sentence in found["verdicts"]), "", *_table(head, rows)]


def _line(line: Mapping[str, Any], rule: str, full: bool) -> list[str]:
    return [
        line["arm"],
        seen_of(line.get("seen", line["samples"]), line["samples"]),
        rule,
        f"{line['nll']:.4f}",
        *_gain(line["beside_random"], line["p"]),
        *(_gain(line.get("beside_full"), line.get("p_full")) if full else ()),
        f"{line['steps']:,.0f}",
        UNKNOWN if line["choosing"] is None else f"{line['choosing']:,.0f} s",
        f"{line['seconds']:,.0f} s",
        line["verdict"],
    ]


def _gain(gain: Mapping[str, Any] | None, p: float | None) -> list[str]:
    """Value, both intervals and the corrected p of a difference."""
    if gain is None:
        return ["", "", "", ""]
    alone = " (images alone)" if gain["seeds"] < 2 else ""
    return [
        f"{gain['value']:+.4f}",
        _span(gain["low"], gain["high"]) or ("one seed" if alone else ""),
        _span(gain["low_both"], gain["high_both"]) + alone,
        "" if _missing(p) else f"{p:.3f}",
    ]


def _span(low: float | None, high: float | None) -> str:
    return "" if _missing(low) else f"{low:+.4f} to {high:+.4f}"


def _diversity(found: Mapping[str, Any] | None) -> list[str]:
    """The arms, and whether quality and clusters need each other."""
    lines = _lines(found)
    pairs = (found or {}).get("pairs")
    if not pairs:
        return lines
    arm = pairs[0]["arm"]
    needed = [pair["other"] for pair in pairs if pair["verdict"] == "better"]
    rest = [pair["other"] for pair in pairs if pair["verdict"] != "better"]
    said = f"{arm!r}, of the same trainings, paired by seed: "
    if needed:
        said += f"better than {' and '.join(needed)}"
    if rest:
        said += "; " if needed else ""
        said += f"NOT SHOWN to be better than {' or '.join(rest)}"
    rows = [
        [f"{arm} - {pair['other']}", *_gain(pair["difference"], pair["p"]), pair["verdict"]]
        for pair in pairs
    ]
    head = ["difference", "gain", "95 % seeds", "95 % seeds and images", "p", "verdict"]
    question = f"Do quality and clusters need each other? {said}."
    return [*lines, "", question, "", *_table(head, rows)]


def _plots(name: str, found: Mapping[str, Any]) -> list[str]:
    return [
        "",
        *(f"![{plot.replace('_', ' ')}](proof/{name}_{plot}.svg)" for plot in found["plots"]),
    ]


def _designs(found: Mapping[str, Any] | None) -> list[str]:
    if not found:
        return []
    rows = []
    for design, told in found.items():
        worth = told["worth"].get(_worth_name(design))
        cost = told["cost"]["labels"]
        hours = cost["seconds"] / 3600
        if worth is not None and _missing(worth["score"]):
            worth = None  # every fresh subset is foretold the same
        score = None if worth is None else worth["score"]
        rows.append(
            [
                design,
                f"{told['groups']} of {told['size']}" if told["groups"] else "every sample",
                f"{cost['seconds']:,.0f} s",
                f"{cost['passes']:,}",
                _repeated(told),
                "none: foretells the same of all" if worth is None else _worth(worth),
                "" if score is None or not hours else f"{score / hours:+.1f}",
                _signed((told["datamodel"] or {}).get("r2_left_out")),
            ]
        )
    first = next(iter(found.values()))
    ceiling = first["ceiling"]
    lines = [
        "Worth is the rank correlation between predicted and real outcomes of fresh random subsets"
        " (linear datamodelling score), with a bootstrap interval. Reliability is ICC(1) of groups"
        " trained twice; of influence, which has no groups, the rank correlation with itself under"
        " another seed (of warm-up and projection), on so many samples. R² is that of groups"
        " foretold without them. Seconds and samples forward are those of the labels alone.",
        "",
        *_table(
            [
                *("design", "groups", "seconds", "samples forward", "reliability", "worth"),
                *("worth per hour", "R² left out"),
            ],
            rows,
        ),
        "",
        "What needs no training, on the same fresh subsets: "
        + "; ".join(
            f"{name} {_worth(value)}"
            for name, value in first["worth"].items()
            if not _missing(value["score"]) and name not in ("clusters", "subsets", "influence")
        )
        + "; mean: ranks nothing.",
        "",
        f"Reliability of a fresh subset's outcome: {_reliability(ceiling)}. Where every step takes"
        " a whole subset, trainings of the same one hardly differ: it says that the measurement is"
        " steady, and nothing of other orders or longer trainings. For clusters, repeats take"
        " other orders, too.",
        "",
        "What `pickwell fit` makes of each:",
        "",
        *(f"- {design}: {told['fit']}" for design, told in found.items()),
    ]
    return lines


def _worth(told: Mapping[str, Any]) -> str:
    few = _missing(told["low"])
    span = "too few for an interval" if few else f"{told['low']:+.2f} to {told['high']:+.2f}"
    return f"{told['score']:+.2f} ({span})"


def _worth_name(design: str) -> str:
    return "subsets" if design == "designed" else design


def _repeated(told: Mapping[str, Any]) -> str:
    """Reliability of the groups or, for influence, agreement with itself and what it cost."""
    again = told.get("retest")
    if again is None:
        return _reliability(told["reliability"])
    found = "none" if _missing(again["correlation"]) else f"{again['correlation']:+.2f}"
    return (
        f"{found} ({again['samples']:,} samples, {told['cost']['retest']['seconds']:,.0f} s more)"
    )


def _reliability(told: Mapping[str, Any] | None) -> str:
    if told is None or _missing(told["value"]):
        return "not known"
    span = "" if _missing(told["low"]) else f" ({told['low']:.2f} to {told['high']:.2f})"
    return f"{told['value']:.2f}{span}"


def _elsewhere(found: Mapping[str, Any] | None) -> list[str]:
    if not found:
        return []
    rows = []
    for source, table in found.items():
        for name, spans in table["intervals"].items():
            low, high = spans["all"]
            rows.append(
                [source, name, f"{table['auroc'][name]['all']:.3f} ({_two(low)}-{_two(high)})"]
            )
    return [
        "Each source in turn is taken out of the pool; quality is learned from the marks of the"
        " rest (metrics, axes and percentiles too: `score --like`), and asked to find the defects"
        " of the source that it never saw.",
        "",
        *_table(["source", "score", "AUROC, all defects"], rows),
    ]


def _notes() -> list[str]:
    from pathlib import Path

    notes = Path(__file__).with_name("notes.md")
    return [notes.read_text("utf-8").rstrip()] if notes.is_file() else []


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]


def _two(value: float | None) -> str:
    return "" if _missing(value) else f"{value:.2f}"


def _signed(value: float | None) -> str:
    return "" if _missing(value) else f"{value:+.2f}"


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
