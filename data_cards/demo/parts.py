"""The pool in parts that share no picture: to choose from, held out, and tomorrow's batch."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_cards.demo.records import read_records

HELD_OUT, BATCH, MARKS = 300, 250, 400


@dataclass(frozen=True, slots=True)
class Parts:
    """Files beside the pool, each in its format.

    Attributes:
        pool: What is chosen from.
        held_out: Good samples only, for evaluation; no selector sees them.
        batch: Samples good and bad as they come, for scoring later.
        marks: ``id,label`` of some samples of the pool: 1 sound, 0 defective. It stands for a
            person who has looked at that many pairs.
    """

    pool: Path
    held_out: Path
    batch: Path
    marks: Path


def divide(
    pool_json: Path, seed: int, held_out: int = HELD_OUT, batch: int = BATCH, marks: int = MARKS
) -> Parts:
    """Divide the pool by picture, in an order that only the seed and the pictures decide.

    Defective samples of held-out pictures go nowhere: they may not train what is tested there.

    Args:
        pool_json: The built pool.
        seed: Another seed, another division.
        held_out: Good samples to hold out, at least.
        batch: Samples of the new batch, at least.
        marks: Samples of the pool to mark.

    Raises:
        BadInputError: If the file is no pool.
    """
    records = read_records(pool_json)
    groups: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        groups.setdefault(record.get("image", ""), []).append(record)
    place = {"pool": groups.pop("", []), "held_out": [], "batch": []}  # no picture: to choose from
    for image in sorted(groups, key=lambda image: _hash(seed, image)):
        good = [r for r in groups[image] if r["truth"]["quality"] == "good"]
        if len(place["held_out"]) < held_out:
            place["held_out"] += good
        elif len(place["batch"]) < batch:
            place["batch"] += groups[image]
        else:
            place["pool"] += groups[image]
    order = {record["id"]: number for number, record in enumerate(records)}
    files = {}
    for name, part in place.items():
        part.sort(key=lambda record: order[record["id"]])
        files[name] = _write(pool_json.with_name(f"part_{name}.json"), part)
    marked = sorted(place["pool"], key=lambda record: _hash(seed, record["id"]))[:marks]
    return Parts(**files, marks=_write_marks(pool_json.with_name("marks.csv"), marked))


def _hash(seed: int, text: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{text}".encode()).digest()


def _write(path: Path, records: Sequence[dict[str, Any]]) -> Path:
    return _replace(path, json.dumps(records, ensure_ascii=False, indent=0) + "\n")


def _write_marks(path: Path, records: Sequence[dict[str, Any]]) -> Path:
    temporary = path.with_suffix(".partial")
    with temporary.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["id", "label"])
        writer.writerows(
            [record["id"], int(record["truth"]["quality"] == "good")] for record in records
        )
    return temporary.replace(path)


def _replace(path: Path, text: str) -> Path:
    temporary = path.with_suffix(".partial")
    temporary.write_text(text, encoding="utf-8")
    return temporary.replace(path)
