"""The page of an evaluation: figures with intervals beside the baseline, and what the model said.

One file without scripts; images are inside it as data addresses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickwell.evaluate_lead import interval, lead, worded
from pickwell.evaluation_summary import LABELS, length_bias
from pickwell.report.generations import sample_generations
from pickwell.report.pages import style, template

if TYPE_CHECKING:
    from data_cards.sample import ImageRef, Turn
    from finetune.evaluate.result import Difference, Evaluation, Figure

_STYLES = ("style.css", "charts.css", "evaluation.css")
_GROUPS = (
    (
        "likelihood",
        "Likelihood",
        "How likely the model finds held-out responses",
        "Negative log-likelihood of the responses alone; questions and images are given, not"
        " predicted. Nothing is cut: a sample that does not fit is left out and named.",
        ("nll", "nll_per_sample", "nll_text", "nll_image_gain"),
    ),
    (
        "two-choice",
        "Two-choice",
        "The right response against a wrong one",
        "A drawn wrong one answers the same kind of question about another image. Beside it the"
        " same choice by the text alone: only what is gained over that comes from the image.",
        tuple(name for name in LABELS if name.startswith("two_choice")),
    ),
    (
        "short-answers",
        "Short answers",
        "Short answers, generated",
        "Greedy answers against references of a few words, after normalisation (case, punctuation,"
        " articles, number words). Chance is what the same answers reach against references of"
        " other samples.",
        ("exact", "contained", "contained_cut", "output_words", "reference_words", "unfinished"),
    ),
)
_LIMITS = (
    "An interval says how far a figure would move with other images from the same source of data"
    " (percentile bootstrap, images drawn whole). It does not speak of other data, other wrong"
    " responses or another training run.",
    "Figures are only as held out as the data: nothing here knows what the model was trained on.",
    "Each verdict stands alone: of twenty figures without any true difference, one is expected to"
    " come out as better or worse.",
    "Two-choice accuracy against a drawn wrong response is easier than against a wrong response"
    " that somebody made up to mislead.",
    "Exact and contained answers compare words, not meaning; a right answer in other words is"
    " counted as wrong.",
)


def write_page(
    result: Evaluation,
    images: Mapping[str, Sequence[ImageRef]],
    turns: Mapping[str, Sequence[Turn]],
    path: Path,
) -> Path:
    """Write the page; it is complete or not there at all.

    Args:
        result: The evaluation.
        images: Id of each sample generation to its images.
        turns: Id of each sample generation to its conversation.
        path: The HTML file; replaced if it is there.

    Returns:
        ``path``.
    """
    from data_cards.replacing import replacing

    with replacing(path, "w") as file:
        for chunk in template("evaluation.html").generate(
            page=_page(result, images, turns), style=style(_STYLES)
        ):
            file.write(chunk)
    return path


def _page(
    result: Evaluation,
    images: Mapping[str, Sequence[ImageRef]],
    turns: Mapping[str, Sequence[Turn]],
) -> dict[str, Any]:
    manifest = result.manifest
    other = manifest["models"]["baseline"]
    left_out = result.left_out
    return {
        "model": result.model,
        "baseline": other["spec"] if other else None,
        "created": manifest["created"].replace("T", " ").replace("+00:00", " UTC"),
        "samples": manifest["samples"],
        "measured": manifest["samples"] - len(left_out),
        "lead": lead(result),
        "facts": _facts(result),
        "remarks": manifest["remarks"],
        "groups": [group for group in (_group(result, *g) for g in _GROUPS) if group["rows"]],
        "source_labels": [LABELS[name] for name in next(iter(result.by_source.values()), {})],
        "sources": [
            {
                "name": source or "(no name)",
                "marks": [_mark(figure) for figure in figures.values()],
                "samples": figures["nll"].samples,
            }
            for source, figures in result.by_source.items()
        ],
        "outputs": sample_generations(result, images, turns),
        "max_new_tokens": manifest["options"]["max_new_tokens"],
        "left_out": left_out,
        "limits": _LIMITS,
        "command": manifest["command"],
        "versions": manifest["versions"],
    }


def _facts(result: Evaluation) -> list[tuple[str, str]]:
    manifest = result.manifest
    data, model = manifest["data"], manifest["models"]["model"]
    facts = [
        ("Data", str(data["path"] or "samples given in Python")),
        ("Content (SHA-256)", data["content"][:16]),
        ("Model", f"{model['class']}, {model['dtype']}, key {model['key']}"),
        ("Intervals", manifest["interval"]),
    ]
    other = manifest["models"]["baseline"]
    if other:
        facts.append(("Baseline", f"{other['class']}, {other['dtype']}, key {other['key']}"))
    return facts


def _group(
    result: Evaluation, key: str, short: str, title: str, about: str, names: Sequence[str]
) -> dict[str, Any]:
    rows = [
        _row(result, name)
        for name in names
        if name in result.figures and result.figures[name].value is not None
    ]
    return {
        "key": key,
        "short": short,
        "title": title,
        "about": about,
        "rows": rows,
        "chance": any(row["chance"] for row in rows),
        "notes": length_bias(result) if key == "two-choice" else [],
    }


def _row(result: Evaluation, name: str) -> dict[str, Any]:
    figure = result.figures[name]
    other = result.baseline[name] if result.baseline is not None else None
    gap = result.differences.get(name)
    low, high = _scale([f for f in (figure, other) if f is not None])
    verdict = gap.verdict if gap is not None else ""
    return {
        "label": LABELS[name],
        "what": figure.what,
        "direction": figure.direction,
        "ours": _mark(figure, low, high),
        "theirs": None if other is None else _mark(other, low, high),
        "gap": None if gap is None or gap.value is None else _mark(gap, sign=True),
        "chance": "" if figure.chance is None else worded(figure.chance, figure.unit),
        "chance_place": _place(figure.chance, low, high),
        "samples": figure.samples,
        "clusters": figure.clusters,
        "verdict": verdict,
        "verdict_class": {"better": "better", "worse": "worse"}.get(verdict, "same"),
    }


def _scale(figures: Sequence[Figure]) -> tuple[float, float]:
    """Shares on the whole line from 0 to 1, other units on what they need."""
    if figures[0].unit == "share" and not figures[0].name.endswith("gain"):
        return 0.0, 1.0
    numbers = [
        value for f in figures for value in (f.value, f.low, f.high, f.chance) if value is not None
    ]
    low, high = min(numbers), max(numbers)
    if figures[0].name.endswith("gain"):
        low, high = min(low, 0.0), max(high, 0.0)
    pad = 0.08 * (high - low) or 1.0
    return low - pad, high + pad


def _mark(
    figure: Figure | Difference, low: float = 0.0, high: float = 0.0, *, sign: bool = False
) -> dict[str, Any]:
    """One figure in words, and its places on the line in percent."""
    start, end = _place(figure.low, low, high), _place(figure.high, low, high)
    return {
        "value": worded(figure.value, figure.unit, sign=sign),
        "interval": interval(figure, sign=sign),
        "place": _place(figure.value, low, high),
        "band": None if start is None or end is None else (start, round(end - start, 3)),
    }


def _place(value: float | None, low: float, high: float) -> float | None:
    if value is None or high <= low:
        return None
    return round(100 * min(1.0, max(0.0, (value - low) / (high - low))), 3)
