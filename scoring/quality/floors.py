"""Floors: the clearly broken are thrown out by one plain condition each, with the reason."""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from data_cards.errors import BadInputError

Op = Literal["<=", ">=", "<", ">", "==", "!="]
COMPARISONS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
    "!=": operator.ne,
}
BROKEN = {
    "<=": "above",
    ">=": "below",
    "<": "not below",
    ">": "not above",
    "==": "not",
    "!=": "equal to",
}
_CONDITION = re.compile(
    r"\s*(?P<column>[^\s<>=!]+)\s*(?P<op><=|>=|==|!=|<|>|=)\s*(?P<limit>\S+)\s*"
)
_WHEN = re.compile(r"\s+when\s+", re.IGNORECASE)
HELP = "Write a condition that good rows meet, such as 'repetition<=0.5' or 'alignment>=q0.05'."


@dataclass(frozen=True, slots=True)
class Floor:
    """A condition that a row must meet to be chosen from at all.

    A row that lacks the value passes: missing is not broken.

    Attributes:
        column: The column that is looked at.
        op: Comparison that the good rows meet.
        threshold: What the value is compared with; truth values are 1 and 0. With ``quantile``
            a share of the pool from 0 to 1 instead.
        reason: What is wrong with a row that fails, in words.
        quantile: Whether the limit is that quantile of the pool's own values.
        when: A condition on the row without which this floor does not apply.
    """

    column: str
    op: Op
    threshold: float
    reason: str = ""
    quantile: bool = False
    when: Floor | None = None

    def __post_init__(self) -> None:
        if self.op not in COMPARISONS:
            raise BadInputError(f"unknown comparison {self.op!r} in a floor", HELP)
        if not np.isfinite(self.threshold):
            raise BadInputError(f"the limit of floor {self.column!r} is no number", HELP)
        if self.quantile and not 0 <= self.threshold <= 1:
            raise BadInputError(
                f"floor {self.column!r}: the quantile {self.threshold:g} is outside 0 to 1", HELP
            )

    def __str__(self) -> str:
        sign = "q" if self.quantile else ""
        when = f" when {self.when}" if self.when else ""
        return f"{self.column}{self.op}{sign}{self.threshold:g}{when}"

    def limit(self, values: np.ndarray) -> float:
        """The limit as a value of the column; NaN if it is a quantile of nothing."""
        if not self.quantile:
            return float(self.threshold)
        there = values[~np.isnan(values)]
        return float(np.quantile(there, self.threshold)) if len(there) else np.nan

    def holds(self, values: np.ndarray) -> np.ndarray:
        """(n,) true where the condition is met; missing values do not meet it."""
        return COMPARISONS[self.op](values, self.limit(values)) & ~np.isnan(values)

    def columns(self) -> tuple[str, ...]:
        """The columns that it needs."""
        return (self.column, *(self.when.columns() if self.when else ()))


DEFAULT_FLOORS: tuple[Floor, ...] = (
    Floor("characters", ">=", 1, "the response is empty"),
    Floor("repetition", "<=", 0.5, "the response repeats itself"),
    # One-word answers repeat by nature; the same sentence under a dozen images says nothing.
    Floor(
        "boilerplate",
        "<=",
        10,
        "many other samples carry the same response",
        when=Floor("words", ">=", 3),
    ),
    Floor("language_match", "==", 1, "the response is in another language than the instruction"),
    # Thin lines are few pixels: of the 18 demo pictures beyond 0.98 (13 of them with a good answer)
    # 17 show a drawing, all up to 0.9982. Blank pages, also with a page number, are beyond 0.999.
    Floor("image_blankness", "<=", 0.999, "the image is all but blank"),
    Floor("image_min_side", ">=", 32, "the image is too small to be recognised"),
    # Cosines have another scale for every encoder, so that only a place in the pool can be a
    # limit: the twentieth with the least agreement holds most of the mismatched pairs.
    Floor("alignment", ">=", 0.05, "image and response hardly match", quantile=True),
)
"""What is thrown out unless told otherwise; a floor whose column was not scored does not apply."""


def apply_floors(columns: Mapping[str, np.ndarray], floors: Iterable[Floor]) -> np.ndarray:
    """Find the rows that a floor throws out.

    Args:
        columns: Name to (n,) numbers or truth values; NaN or ``None`` where missing.
        floors: The conditions.

    Returns:
        (n,) object array: ``None`` for rows that pass, else the reasons, joined by semicolons.

    Raises:
        BadInputError: If a floor needs a column that is not there.
    """
    numbers = {name: _numbers(values) for name, values in columns.items()}
    n = len(next(iter(numbers.values()))) if numbers else 0
    reasons = np.full(n, None, dtype=object)
    for floor in floors:
        for name in floor.columns():
            _known(name, numbers, f"floor {str(floor)!r}")
        values = numbers[floor.column]
        broken = ~floor.holds(values) & ~np.isnan(values)
        limit = floor.limit(values)
        if np.isnan(limit):
            continue
        if floor.when is not None:
            broken &= floor.when.holds(numbers[floor.when.column])
        for row in np.flatnonzero(broken):
            text = _failure(floor, float(values[row]), limit)
            reasons[row] = text if reasons[row] is None else f"{reasons[row]}; {text}"
    return reasons


def applicable(floors: Iterable[Floor], columns: Iterable[str]) -> list[Floor]:
    """The floors whose columns are all there."""
    known = set(columns)
    return [floor for floor in floors if known.issuperset(floor.columns())]


def override_floors(base: Iterable[Floor], own: Sequence[Floor]) -> list[Floor]:
    """One's own floors, and of the others those on columns that one has said nothing about."""
    named = {floor.column for floor in own}
    return [*(floor for floor in base if floor.column not in named), *own]


def parse_floor(text: str, columns: Iterable[str] | None = None) -> Floor:
    """Read a floor as a person writes it.

    ``repetition<=0.5``, ``language_match==true``, ``alignment>=q0.05`` (the 5 % quantile of the
    pool), ``boilerplate<=10 when words>=3``.

    Args:
        text: The condition that good rows meet.
        columns: The columns there are; ``None``: not checked.

    Returns:
        The floor; its reason repeats the condition.

    Raises:
        BadInputError: If the text is no condition, or the column does not exist (naming the
            closest that does).
    """
    parts = _WHEN.split(text.strip())
    floor: Floor | None = None
    for part in reversed(parts[:2]):
        match = _CONDITION.fullmatch(part)
        if match is None or len(parts) > 2:
            raise BadInputError(f"cannot read the floor {text!r}", HELP)
        threshold, quantile = _limit(match["limit"], text)
        if columns is not None:
            _known(match["column"], columns, f"floor {text!r}")
        op = match["op"] if match["op"] != "=" else "=="
        floor = Floor(match["column"], op, threshold, "", quantile, floor)  # type: ignore[arg-type]
    assert floor is not None
    return floor


def _limit(text: str, whole: str) -> tuple[float, bool]:
    truth = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}
    if text.lower() in truth:
        return truth[text.lower()], False
    quantile = text[:1] in "qQ"
    try:
        return float(text[1:] if quantile else text), quantile
    except ValueError:
        raise BadInputError(f"{text!r} in the floor {whole!r} is no number", HELP) from None


def _failure(floor: Floor, value: float, limit: float) -> str:
    if floor.column == "language_match":  # a truth value, stored as a number
        seen = f"{floor.column} is {'true' if value else 'false'}"
    else:
        share = f" (the {floor.threshold:.0%} quantile of the pool)" if floor.quantile else ""
        seen = f"{floor.column} {value:.4g} is {BROKEN[floor.op]} {limit:.4g}{share}"
    return f"{floor.reason}: {seen}" if floor.reason else seen


def _numbers(values: np.ndarray | Sequence[object]) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype == object:
        array = np.array([np.nan if v is None else v for v in array.tolist()], dtype=np.float64)
    return array.astype(np.float64)


def _known(name: str, columns: Iterable[str], where: str) -> None:
    known = list(columns)
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        raise BadInputError(
            f"{where}: there is no column {name!r}",
            f"Did you mean {close[0]!r}?" if close else f"Columns are: {', '.join(known)}.",
        )
