"""What a comparison writes: figures as JSON, one row per arm as CSV, plots, and a page."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pickwell.plain_json import plain_json

if TYPE_CHECKING:
    from finetune.compare.paired import Difference
    from finetune.compare.table import Line
    from pickwell.compare_job import Comparison

FORMAT_VERSION = 1


def write_comparison(made: Comparison) -> None:
    """Write the folder; each file is there whole or not at all."""
    from data_cards.replacing import replacing
    from pickwell import __version__
    from pickwell.report.comparison_page import write_comparison_page

    record = {
        "format_version": FORMAT_VERSION,
        "version": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "budget": made.budget,
        "curve": made.curve,
        "loss_before": made.before,
        **made.about,
        "arms": [
            {
                "name": arm.name,
                "about": arm.about,
                "choosing_seconds": arm.seconds,
                "chosen_sha256": _digest(arm.choose(made.budget, 0)),
            }
            for arm in made.arms
        ],
        "lines": [line.record() for line in made.lines],
        "untrained": [line.record() for line in made.untrained],
        "same_by_both_rules": made.same,
    }
    for name, svg in made.plots.items():
        with replacing(made.folder / f"{name}.svg", "w") as file:
            file.write(svg)
    with replacing(made.folder / "comparison.csv", "w") as file:
        rows = [_flat(line) for line in (*made.lines, *made.untrained)]
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    write_comparison_page(made, record, made.folder / "comparison.html")
    with replacing(made.folder / "comparison.json", "w") as file:
        file.write(plain_json(record))


def _flat(line: Line) -> dict[str, Any]:
    differences = ("beside_random", "beside_full")
    told = {name: value for name, value in asdict(line).items() if name not in differences}
    told |= _fields("gain", line.beside_random) | _fields("gain_full", line.beside_full)
    return told | {"verdict": line.verdict, "verdict_full": line.verdict_full}


def _fields(start: str, gain: Difference | None) -> dict[str, Any]:
    names = ("value", "error", "low", "high", "low_both", "high_both", "seeds")
    return {f"{start}_{name}": None if gain is None else getattr(gain, name) for name in names}


def _digest(ids: Any) -> str:
    return hashlib.sha256("\n".join(sorted(ids)).encode("utf-8", "surrogatepass")).hexdigest()
