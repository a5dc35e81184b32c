"""Outcomes of trainings on reduced data, and the table made of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

RANDOM = "random"


@dataclass(frozen=True)
class Outcome:
    """One training.

    Attributes:
        method: ``METHOD`` or ``METHOD:SCORE``.
        budget: As it was asked for, in words.
        count: Rows chosen.
        rule: ``"epochs"`` (as many passes over what is kept) or ``"steps"`` (as many as all take).
        seed: Of split, choice and training.
        accuracy: On rows held out, at the end.
        seconds: Choosing took.
        megabytes: Choosing had allocated at most.
        score_seconds: Making the score took; it is shared by all methods and budgets that use it.
        score_error: Largest standard error of one row's score; ``None``: not known.
    """

    method: str
    budget: str
    count: int
    rule: str
    seed: int
    accuracy: float
    seconds: float
    megabytes: float
    score_seconds: float
    score_error: float | None = None


@dataclass(frozen=True)
class Line:
    """One method at one budget under one rule; gains are over random, paired by seed.

    ``low`` and ``high`` are the 95 % interval of the gain (Student's t); NaN with one seed.
    """

    method: str
    budget: str
    rule: str
    count: float
    accuracy: float
    spread: float
    gain: float
    low: float
    high: float
    seconds: float
    megabytes: float
    score_seconds: float
    seeds: int
    score_error: float | None = None

    @property
    def verdict(self) -> str:
        """In words."""
        if self.method == RANDOM:
            return ""
        if self.seeds < 2 or math.isnan(self.low):
            return "one seed: cannot be told"
        return "better" if self.low > 0 else "worse" if self.high < 0 else "no better than random"


def lines_of(outcomes: Iterable[Outcome]) -> list[Line]:
    """One line for each rule, budget and method, in the order in which they first come."""
    cells: dict[tuple[str, str, str], list[Outcome]] = {}
    for outcome in outcomes:
        cells.setdefault((outcome.rule, outcome.budget, outcome.method), []).append(outcome)
    made = []
    for (rule, budget, method), mine in cells.items():
        other = {one.seed: one.accuracy for one in cells.get((rule, budget, RANDOM), [])}
        pairs = [one.accuracy - other[one.seed] for one in mine if one.seed in other]
        gain, low, high = _interval(np.array(pairs))
        right = np.array([one.accuracy for one in mine])
        made.append(
            Line(
                method, budget, rule,
                float(np.mean([one.count for one in mine])), float(right.mean()),
                float(right.std(ddof=1)) if len(right) > 1 else math.nan, gain, low, high,
                float(np.mean([one.seconds for one in mine])),
                max(one.megabytes for one in mine),
                float(np.mean([one.score_seconds for one in mine])), len(mine),
                max((one.score_error for one in mine if one.score_error is not None), default=None),
            )
        )  # fmt: skip
    return made


def _interval(pairs: np.ndarray) -> tuple[float, float, float]:
    if not len(pairs):
        return math.nan, math.nan, math.nan
    mean = float(pairs.mean())
    if len(pairs) < 2:
        return mean, math.nan, math.nan
    from scipy import stats

    half = float(stats.t.ppf(0.975, len(pairs) - 1) * pairs.std(ddof=1) / np.sqrt(len(pairs)))
    return mean, mean - half, mean + half
