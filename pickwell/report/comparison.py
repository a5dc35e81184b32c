"""Chosen beside random, in words and as places on a line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pickwell.report.data import Comparison

Verdict = Literal["better", "same", "worse", "alike", "differs", "constant", "unknown"]

_WORDS: dict[Verdict, str] = {
    "better": "Better than random",
    "same": "Not better than random",
    "worse": "Worse than random",
    "alike": "Like random",
    "differs": "Different from random",
    "constant": "Same in every row",
    "unknown": "Not known",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One comparison as drawn; places are percent of the line's width (``None``: not known)."""

    row: Comparison
    verdict: Verdict
    words: str
    chosen: float | None
    mean: float | None
    low: float | None
    high: float | None


def verdict(row: Comparison) -> Verdict:
    """Whether the chosen lie outside the interval of random draws, on the good side or the bad.

    A chosen value on the very edge of the interval counts as inside: ties are not wins.
    """
    chosen, low, high = map(_number, (row["chosen"], row["random_low"], row["random_high"]))
    if not all(map(math.isfinite, (chosen, low, high))):
        return "unknown"
    if row.get("constant"):
        return "constant"
    if low <= chosen <= high:
        return "alike" if row["direction"] == "none" else "same"
    if row["direction"] == "none":
        return "differs"
    return "better" if (chosen > high) == (row["direction"] == "higher") else "worse"


def draw(rows: Sequence[Comparison], *, from_zero: bool = False) -> list[Line]:
    """Places of all rows: each on a scale of its own, or all on one that starts at zero."""
    shared = [value for row in rows for value in _numbers(row)] if from_zero else []
    lines = []
    for row in rows:
        numbers = [0.0, *shared] if from_zero else _numbers(row)
        low, high = (min(numbers), max(numbers)) if numbers else (0.0, 0.0)
        pad = 0.0 if from_zero else 0.12 * (high - low)
        low, high = low - pad, high + (0.04 * high if from_zero else pad)
        places = [
            _place(row[key], low, high)
            for key in ("chosen", "random_mean", "random_low", "random_high")
        ]
        answer = verdict(row)
        lines.append(Line(row, answer, _WORDS[answer], *places))
    return lines


def summary(rows: Sequence[Comparison]) -> str:
    """One or two sentences: on how many measures the chosen beat random, and on which not."""
    judged = [row for row in rows if verdict(row) in ("better", "same", "worse")]
    if not judged:
        return ""
    won = [row for row in judged if verdict(row) == "better"]
    same = [row["name"] for row in judged if verdict(row) == "same"]
    worse = [row["name"] for row in judged if verdict(row) == "worse"]
    if len(won) == len(judged):
        count = "the one measure" if len(judged) == 1 else f"all {len(judged)} measures"
        return f"Better than random on {count}."
    if not won:
        text = "Better than random on none of the measures."
    else:
        text = f"Better than random on {len(won)} of {len(judged)} measures."
    if same:
        text += f" No better on {_listed(same)}."
    if worse:
        text += f" Worse on {_listed(worse)}."
    return text


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _numbers(row: Comparison) -> list[float]:
    values = (row["chosen"], row["random_mean"], row["random_low"], row["random_high"])
    return [float(value) for value in values if value is not None and math.isfinite(value)]


def _place(value: float | None, low: float, high: float) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return 50.0 if high <= low else round(100.0 * (value - low) / (high - low), 3)


def _listed(names: Sequence[str]) -> str:
    """Names in a sentence; beyond five the table below the sentence tells the rest."""
    if len(names) > 5:
        names = [*names[:4], f"{len(names) - 4} others"]
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
