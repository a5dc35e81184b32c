"""The figures of all regressors side by side, and which of them won."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from scoring.quality.design import Design
from scoring.quality.labels import Labels
from scoring.quality.usable import FEWEST_LABELS
from scoring.quality.validation import (
    Validated,
    explained,
    r2_interval,
    rank_correlation,
    shuffle_test,
    within_one_error,
)

SHUFFLED = "labels shuffled against held-out predictions"


def compare(
    found: dict[str, Validated], design: Design, permutations: int, seed: int
) -> dict[str, dict[str, Any]]:
    """The figures of every regressor, by name; see ``docs/quality.md``."""
    bar = found["mean"].losses
    rows = {}
    for name, validated in found.items():
        low, high = r2_interval(validated.losses, bar, design, seed)
        row: dict[str, Any] = {"name": name, "mse": validated.mse}
        row |= {"r2": explained(validated.losses, bar), "r2_low": low, "r2_high": high}
        if name == "mean":
            row |= {"spearman": None, "p": None, "p_adjusted": None, "test": None}
        else:
            row |= rank_correlation(validated, design, seed)
            p = shuffle_test(validated, design, permutations, seed)
            row |= {
                "p": p,
                "p_adjusted": adjusted(p, len(found) - 1),
                "test": SHUFFLED,
            }
        row["settings"] = _counted(validated)
        rows[name] = finite(row)
    return rows


def adjusted(p: float, tried: int) -> float:
    """Bonferroni: the best of several regressors was looked for."""
    return min(1.0, p * tried)


def _counted(found: Validated) -> dict[str, int]:
    counts: dict[str, int] = {}
    for fit in found.fits:
        text = ", ".join(f"{key} {value:g}" for key, value in fit.setting.items()) or "none"
        counts[text] = counts.get(text, 0) + 1
    return counts


def simplest_of_the_best(found: dict[str, Validated], design: Design) -> str:
    """The simplest regressor within one standard error of the best."""
    best = min(found, key=lambda name: found[name].mse)
    for name, validated in found.items():
        if name == best or within_one_error(validated.losses, found[best].losses, design):
            return name
    return best


def finite(row: Mapping[str, Any]) -> dict[str, Any]:
    """The same with ``None`` for numbers that are none: JSON has no NaN."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in row.items()
    }


def beside_consensus(report: Mapping[str, Any], won: Mapping[str, Any]) -> str | None:
    """A warning where the rule that has seen no label ranks as well as what was learned."""
    known, learned = report["consensus_spearman"], won["spearman"]
    if known is None or learned is None or known < learned:
        return None
    return (
        f"The consensus, which has seen no label, ranks them as well (rank correlation "
        f"{known:.2f}, held out {learned:.2f}): --quality consensus may serve better."
    )


def above_floors(
    found: Validated, labels: Labels, considered: np.ndarray | None
) -> tuple[float | None, str | None]:
    """R² among the labelled samples that can be chosen at all, and a sentence about it.

    The bar is their own mean. Nothing is said where all of them, or fewer than ten, can be chosen,
    and of labels of groups.
    """
    if considered is None or labels.grouped:
        return None, None
    passes = considered[np.concatenate(labels.members)]
    if passes.all() or passes.sum() < FEWEST_LABELS:
        return None, None
    y, w = labels.values[passes], labels.weights[passes]
    bar = float((w * (y - np.average(y, weights=w)) ** 2).sum())
    if bar <= 0:
        return None, f"All {passes.sum():,} labels of samples that pass the floors are equal."
    r2 = float(1 - found.losses[passes].sum() / bar)
    return r2, (
        f"Among the {passes.sum():,} labelled samples that pass the floors its R² is {r2:.3f}; the "
        f"other {(~passes).sum():,} are thrown out whatever it says of them."
    )


def about_labels(labels: Labels) -> dict[str, Any]:
    """What the labels are, and how much of them could be explained at best."""
    sizes = [len(rows) for rows in labels.members]
    about: dict[str, Any] = {
        "unit": labels.unit,
        "count": len(labels),
        "blocks": len(set(labels.blocks)),
        "samples": len(set().union(*(rows.tolist() for rows in labels.members))),
        "smallest": min(sizes),
        "largest": max(sizes),
        "mean": float(labels.values.mean()),
        "sd": float(labels.values.std()),
        "ceiling": None,
    }
    if labels.errors is not None:
        noise = float((labels.errors**2).mean() / labels.values.var())
        about["ceiling"] = max(0.0, 1.0 - noise)
    return about


def verdict(report: Mapping[str, Any], labels: Labels) -> str:
    """The outcome in one plain sentence, with its figures."""
    rows = {row["name"]: row for row in report["regressors"]}
    learned = [row for name, row in rows.items() if name != "mean"]
    unit = f"{len(labels):,} {labels.unit} labels"
    ceiling = report["labels"]["ceiling"]
    limit = "" if ceiling is None else f" Their errors allow an R² of {ceiling:.2f} at most."
    if report["winner"] != "consensus":
        row = rows[report["winner"]]
        return (
            f"{row['name']} predicts the {unit} better than their mean: cross-validated R² "
            f"{row['r2']:.3f} ({row['r2_low']:.3f} to {row['r2_high']:.3f}), "
            f"p {row['p_adjusted']:.3g}.{limit}"
        )
    if not learned:
        return f"Nothing but the mean was tried on the {unit}: the consensus is kept."
    best = min(learned, key=lambda row: row["mse"])
    return (
        f"Nothing beat the mean (the best, {best['name']}: held-out squared error "
        f"{best['mse']:.4g} against {rows['mean']['mse']:.4g}, R² {best['r2']:+.3f}, "
        f"{best['r2_low']:+.3f} to {best['r2_high']:+.3f}; shuffled labels do as well with "
        f"p {best['p_adjusted']:.2g}): the {unit} "
        f"are not predictable from these metrics, and the consensus is kept.{limit}"
    )
