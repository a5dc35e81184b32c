"""What ``score --like`` prints when it is done: quality, repeats, drift."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from data_cards.counted import counted
from pickwell.console import out

if TYPE_CHECKING:
    from scoring.drift import Drift
    from scoring.run import Run

SHOWN = 12


def print_like(run: Run) -> None:
    """Say how the new rows stand beside their reference."""
    from pickwell.batch_drift import read_drift

    for line in lines_of(run):
        out.print(line, markup=False, soft_wrap=True)
    drift = read_drift(run.folder)
    if drift.measures:
        out.print(drift_table(drift))
        rest = len(drift.measures) - max(SHOWN, len(drift.drifted))
        if rest > 0:
            out.print(f"... and {rest} more in drift.json, none of them drifted")
    out.print(drift.sentence, markup=False, soft_wrap=True, style="bold")


def lines_of(run: Run) -> list[str]:
    """Reference, quality, near-duplicates and values out of range, in words."""
    import numpy as np

    told = run.manifest["reference"]
    numbers = run.numeric()
    lines = [f"Held against {run.manifest['like']} ({counted(told['rows'], 'row')})."]
    quality, outside = numbers["quality"], numbers["out_of_range"]
    judged = quality[~np.isnan(quality)]
    if len(judged):
        low, middle, high = np.quantile(judged, [0.1, 0.5, 0.9])
        lines.append(
            f"Quality ({told['quality']}) of {counted(len(judged), 'row')}: median {middle:.3f}, "
            f"a tenth below {low:.3f}, a tenth above {high:.3f}; {np.isnan(quality).sum():,} not "
            "judged (bad or below a floor)."
        )
    if told["near_duplicates"] is not None:
        count = told["near_duplicates"]
        verb = "repeats" if count == 1 else "repeat"
        lines.append(f"{counted(count, 'row')} {verb} what was chosen in {told['chosen']}.")
        if count and count == run.manifest["status"].get("ok", 0):
            lines.append("Nothing here is new: every readable row repeats an earlier pick.")
    beyond = int((np.nan_to_num(outside) > 0).sum())
    lines.append(f"{counted(beyond, 'row')} with a value outside the reference's range.")
    if told.get("message"):
        lines.append(told["message"])
    return lines


def drift_table(drift: Drift) -> Table:
    """The measures, those that drifted first, at most a screen."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("measure", "batch", "reference", "gap", "by chance up to", "p (Holm)", ""):
        table.add_column(name, justify="left" if name in ("measure", "") else "right")
    shown = drift.measures[: max(SHOWN, len(drift.drifted))]
    for row in shown:
        whole = row.kind != "metric"
        table.add_row(
            row.name,
            "" if row.batch is None else f"{row.batch:.4g}",
            "" if row.reference is None else f"{row.reference:.4g}",
            f"{row.statistic:.3g}",
            f"{row.expected:.3g} (mean)" if whole else f"{row.expected:.3g}",
            f"{row.adjusted:.2g}",
            "drifted" if row.drifted else "",
            style="yellow" if row.drifted else None,
        )
    return table
