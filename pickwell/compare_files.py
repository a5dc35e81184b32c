"""What a comparison writes: figures as JSON, one row per arm as CSV, plots, and a page."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pickwell.plain_json import plain_json

if TYPE_CHECKING:
    from finetune.compare.paired import Difference
    from finetune.compare.table import Line
    from pickwell.compare_job import Comparison

FORMAT_VERSION = 1
CHOSEN = pa.schema(
    [
        ("arm", pa.string()),
        ("budget", pa.int32()),
        ("seed", pa.int64()),
        ("rank", pa.int32()),
        ("id", pa.string()),
    ]
)
"""Of ``chosen.parquet``: one row per arm, budget, seed (null: every seed takes the same) and id."""


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
    _write_chosen(made)
    write_comparison_page(made, record, made.folder / "comparison.html")
    with replacing(made.folder / "comparison.json", "w") as file:
        file.write(plain_json(record))


def _write_chosen(made: Comparison) -> None:
    """What every arm took; the whole pool, which is no choice, is left out."""
    import pyarrow.parquet as pq

    from data_cards.replacing import replacing

    first, seeds = made.about["options"]["seed"], made.about["options"]["seeds"]
    sizes = {
        line.budget: {own.arm for own in made.lines if own.budget == line.budget}
        for line in made.lines
    }
    rows = []
    for arm in made.arms:
        for budget in sorted(size for size, names in sizes.items() if arm.name in names):
            if arm.whole or budget >= made.about["pool"]:
                continue
            drawn = [tuple(arm.choose(budget, seed)) for seed in range(first, first + seeds)]
            same = len(set(drawn)) == 1
            for place, ids in enumerate(drawn[:1] if same else drawn):
                seed = None if same else first + place
                rows += [
                    {"arm": arm.name, "budget": budget, "seed": seed, "rank": rank, "id": id_}
                    for rank, id_ in enumerate(ids, 1)
                ]
    with replacing(made.folder / "chosen.parquet") as file:
        pq.write_table(pa.Table.from_pylist(rows, CHOSEN), file)


def _flat(line: Line) -> dict[str, Any]:
    differences = ("beside_random", "beside_full")
    told = {name: value for name, value in asdict(line).items() if name not in differences}
    told |= _fields("gain", line.beside_random) | _fields("gain_full", line.beside_full)
    told |= {"verdict": line.verdict, "verdict_full": line.verdict_full}
    return {name: None if value != value else value for name, value in told.items()}  # no NaN


def _fields(start: str, gain: Difference | None) -> dict[str, Any]:
    names = ("value", "error", "low", "high", "low_both", "high_both", "seeds")
    return {f"{start}_{name}": None if gain is None else getattr(gain, name) for name in names}


def _digest(ids: Any) -> str:
    return hashlib.sha256("\n".join(sorted(ids)).encode("utf-8", "surrogatepass")).hexdigest()
