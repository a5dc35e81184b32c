"""The figures of an evaluation that matter most, in whole sentences for terminal and page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from finetune.evaluate.result import Difference, Evaluation, Figure

_MAIN = {
    "nll": "Held-out response NLL, nats per token",
    "two_choice_mean": "Right response preferred to a wrong one",
    "exact": "Short answers given exactly",
}


def lead(result: Evaluation) -> list[str]:
    """A sentence per main figure: model, baseline, paired difference, and what it shows."""
    lines = []
    for name, words in _MAIN.items():
        figure = result.figures[name]
        if figure.value is None:
            continue
        parts = [with_interval(figure)]
        gap = result.differences.get(name)
        if result.baseline is not None and gap is not None:
            before = result.manifest["models"]["baseline"]["spec"]
            parts.append(f"{before} {with_interval(result.baseline[name])}")
            parts.append(f"difference {with_interval(gap, sign=True)}, {gap.verdict}")
        lines.append(f"{words}: {'; '.join(parts)}.")
    return lines


def with_interval(figure: Figure | Difference, *, sign: bool = False) -> str:
    """``value (low to high)``."""
    words = worded(figure.value, figure.unit, sign=sign)
    between = interval(figure, sign=sign)
    return f"{words} ({between})" if between else words


def interval(figure: Figure | Difference, *, sign: bool = False) -> str:
    """``low to high`` with the unit once; empty without an interval."""
    if figure.low is None or figure.high is None:
        return ""
    low = worded(figure.low, figure.unit, sign=sign).removesuffix(" %").removesuffix(" pp")
    return f"{low} to {worded(figure.high, figure.unit, sign=sign)}"


def worded(value: float | None, unit: str, *, sign: bool = False) -> str:
    """A figure in its unit: shares in percent, differences of shares in percentage points."""
    if value is None:
        return "–"
    scaled, digits, mark = (value, 3, "")
    if unit == "share":
        scaled, digits, mark = (100 * value, 1, " pp" if sign else " %")
    text = f"{scaled:{'+' if sign else ''}.{digits}f}"
    return text.replace("-", "−") + mark
