"""What ``pickwell fit`` prints: the regressors side by side, the outcome, the importances."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from pickwell.console import err, out

if TYPE_CHECKING:
    from scoring.quality.fit import FitResult

SHOWN = 8
"""Importances that are printed; the card has them all."""


def print_fit(result: FitResult, folder: Path) -> None:
    """Print the comparison, the outcome in words, and where the model lies."""
    report = result.report
    labels = report["labels"]
    out.print(
        f"{labels['count']:,} labels per {labels['unit']} ({labels['samples']:,} samples), "
        f"{len(report['features'])} features; {report['folds_how']}.",
        markup=False,
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False)
    for name in ("regressor", "MSE", "R²", "95 %", "rank corr.", "p"):
        table.add_column(name, justify="left" if name == "regressor" else "right")
    for row in report["regressors"]:
        if row["name"] == "mean":
            table.add_row("mean (the bar)", f"{row['mse']:.4g}", "0")
            continue
        table.add_row(
            row["name"],
            f"{row['mse']:.4g}",
            f"{row['r2']:+.3f}",
            f"{row['r2_low']:+.3f} to {row['r2_high']:+.3f}",
            "" if row["spearman"] is None or row["r2"] <= 0 else f"{row['spearman']:+.2f}",
            f"{row['p_adjusted']:.3g}",
        )
    out.print(table)
    if report["calibration"] is not None:
        c = report["calibration"]
        out.print(
            f"Slope of label on held-out prediction {_plain(c['slope'])} "
            f"({_plain(c['slope_low'])} to {_plain(c['slope_high'])}); 1 is right.",
            markup=False,
        )
    if report["importances"]:
        order = sorted(report["importances"].items(), key=lambda item: -item[1]["mean"])[:SHOWN]
        told = ", ".join(f"{name} {value['mean']:+.0%}" for name, value in order)
        out.print(f"Error when shuffled: {told}.", markup=False, soft_wrap=True)
    for number, message in enumerate(result.messages):
        style = "bold" if not number else None
        (out if not number else err).print(message, markup=False, soft_wrap=True, style=style)
    out.print(f"Quality: {folder}", markup=False, soft_wrap=True)


def _plain(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3g}"
