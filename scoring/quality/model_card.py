"""The card of a fitted quality: what it was fitted on and how well it does, in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scoring.quality.model import QualityModel


def _of(on: Mapping[str, Any]) -> str:
    """Of how many samples; those of several groups are counted in each."""
    plural = "memberships of samples" if on["unit"] == "group" else "samples"
    return f"of {on['rows']:,} {plural}"


def card_text(model: QualityModel) -> str:
    """``README.md`` of a model folder."""
    on, worth = model.fitted_on, model.worth
    lines = [f"# Quality: {model.kind}", "", *model.messages, ""]
    if on:
        lines += ["## Fitted on", ""]
        if "labels" in on:
            lines += [
                f"- {on['labels']:,} labels, one per {on['unit']}, {_of(on)}; "
                f"mean {on['label_mean']:.4g}, standard deviation {on['label_sd']:.3g}",
                f"- labels: `{on['source']}` (SHA-256 of names and values "
                f"`{on['labels_sha256'][:16]}`)",
            ]
        lines += [f"- seed {on.get('seed')}, pickwell {on.get('version', '?')}", ""]
    if worth.get("regressors"):
        lines += ["## How well it does", "", f"Cross-validation: {worth['folds_how']}.", ""]
        lines += [*regressor_table(worth["regressors"]), ""]
        lines += [
            "R² compares the squared error on held-out labels with that of predicting the mean: 0",
            "is no better than the mean. p: chance of so small an error if labels and metrics had",
            "nothing to do with each other, times the number of regressors tried. The rank",
            "correlation is left out where R² is not above 0: held-out predictions near the mean",
            "lean away from the labels that they were fitted without, which says nothing.",
            "",
        ]
    if worth.get("calibration"):
        c = worth["calibration"]
        lines += [
            f"Slope of label on held-out prediction: {_plain(c['slope'])} "
            f"({_plain(c['slope_low'])} to {_plain(c['slope_high'])}); 1 is right.",
            "",
        ]
    lines += ["## Columns", "", "| column | range of the fit | importance |", "|---|---|---|"]
    weight = worth.get("importances") or {}
    for c, name in enumerate(model.columns):
        low, high = model.ranges[:, c]
        told = weight.get(name)
        share = f"{told['mean']:+.1%} error when shuffled" if told else ""
        lines.append(f"| `{name}` | {low:.4g} to {high:.4g} | {share} |")
    lines += ["", _use(model)]
    return "\n".join(lines) + "\n"


def regressor_table(regressors: Sequence[Mapping[str, Any]]) -> list[str]:
    """Markdown lines of the comparison of regressors."""
    lines = ["| regressor | MSE | R² (95 %) | rank correlation | p |", "|---|---|---|---|---|"]
    for row in regressors:
        bar = row["name"] == "mean"
        span = (
            "the bar"
            if bar
            else f"{row['r2']:+.3f} ({row['r2_low']:+.3f} to {row['r2_high']:+.3f})"
        )
        p = "" if bar else f"{row['p_adjusted']:.3g}"
        rho = _plain(row["spearman"]) if row["r2"] > 0 else ""
        lines.append(f"| {row['name']} | {row['mse']:.4g} | {span} | {rho} | {p} |")
    return lines


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _use(model: QualityModel) -> str:
    if model.kind == "release":
        return "A score depends on the other rows that are scored with it."
    if model.kind == "consensus":
        return (
            "A row's quality is its mean percentile among the pool of the fit; it does not depend "
            "on the rows scored with it."
        )
    return (
        "A row's quality is the label that is expected of it; it does not depend on the rows "
        "scored with it. Values outside the range of the fit are extrapolated."
    )
