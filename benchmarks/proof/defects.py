"""Does a quality find defects? Area under the ROC curve by kind of defect, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata

from data_cards.demo.records import Truth

DRAWS = 500
UNSEEN = "all but exact duplicates"
"""A copy is as good as what it copies: no quality can tell, the near-duplicate test does."""


def auroc(good: np.ndarray, bad: np.ndarray) -> float:
    """Chance that a good one scores above a bad one, ties half (Mann and Whitney)."""
    if not len(good) or not len(bad):
        return float("nan")
    ranks = rankdata(np.concatenate([good, bad]))
    above = ranks[: len(good)].sum() - len(good) * (len(good) + 1) / 2
    return float(above / (len(good) * len(bad)))


def interval(good: np.ndarray, bad: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """95 % percentile bootstrap, good and bad drawn apart."""
    if len(good) < 2 or len(bad) < 2:
        return float("nan"), float("nan")
    generator = np.random.default_rng(seed)
    drawn = [
        auroc(generator.choice(good, len(good)), generator.choice(bad, len(bad)))
        for _ in range(DRAWS)
    ]
    low, high = np.percentile(drawn, (2.5, 97.5))
    return float(low), float(high)


def defect_table(
    ids: Sequence[str],
    scores: Mapping[str, np.ndarray],
    truth: Mapping[str, Truth],
    left_out: frozenset[str],
    *,
    intervals_of: Sequence[str] = (),
) -> dict[str, Any]:
    """AUROC of each score for all defects and for each kind.

    A missing score counts as the lowest: the row would never be chosen.

    Args:
        ids: n ids.
        scores: Name to (n,) values, higher is better.
        truth: By id.
        left_out: Ids whose truth was given away; they count nowhere.
        intervals_of: Names of scores that get an interval for all defects together.
    """
    rows = [place for place, id_ in enumerate(ids) if id_ not in left_out]
    kinds = np.array(
        ["good" if truth[ids[r]].quality == "good" else str(truth[ids[r]].defect) for r in rows]
    )
    wanted = ["all", UNSEEN, *sorted(set(kinds) - {"good"})]

    def members(values: np.ndarray, kind: str) -> np.ndarray:
        if kind == "all":
            return values[kinds != "good"]
        if kind == UNSEEN:
            return values[(kinds != "good") & (kinds != "exact_duplicate")]
        return values[kinds == kind]

    table: dict[str, Any] = {
        "counts": {"good": int((kinds == "good").sum())}
        | {kind: len(members(kinds, kind)) for kind in wanted},
        "auroc": {},
        "intervals": {},
    }
    for name, values in scores.items():
        mine = np.nan_to_num(np.asarray(values, float)[rows], nan=-np.inf)
        good = mine[kinds == "good"]
        table["auroc"][name] = {kind: auroc(good, members(mine, kind)) for kind in wanted}
        if name in intervals_of:
            table["intervals"][name] = {
                kind: interval(good, members(mine, kind)) for kind in wanted
            }
    return table
