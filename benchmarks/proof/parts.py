"""The data of the proof: a mixed pool, a clean one, two held-out parts that share no picture."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_cards.demo.parts import divide
from data_cards.demo.records import Truth, read_records, read_truth


@dataclass(frozen=True)
class ProofParts:
    """Files of one proof.

    Attributes:
        pool: What is chosen from, a third of it broken.
        clean: The same without any known defect.
        target: Held-out good pairs that labels are made against.
        test: Other held-out good pairs: nothing but the final measurements sees them.
        marks: ``id,label`` of samples of the pool whose truth is given away.
        truth: By id.
    """

    pool: Path
    clean: Path
    target: Path
    test: Path
    marks: Path
    truth: dict[str, Truth]

    @property
    def marked(self) -> frozenset[str]:
        """Ids whose truth is given away."""
        with self.marks.open(newline="", encoding="utf-8") as handle:
            return frozenset(row["id"] for row in csv.DictReader(handle))


def make_parts(pool_json: Path, out: Path, seed: int, target_share: float = 1 / 3) -> ProofParts:
    """Divide the demo pool; files lie beside it, since image paths start there.

    Args:
        pool_json: The built pool.
        out: Folder for what is not beside the pool.
        seed: Of the division.
        target_share: Share of the held-out pairs that labels are made against.
    """
    parts = divide(pool_json, seed)
    truth = dict(read_truth(pool_json))
    records = read_records(parts.pool)
    clean = [r for r in records if truth[r["id"]].quality == "good"]
    held = read_records(parts.held_out)
    images = list(dict.fromkeys(record.get("image", "") for record in held))
    first = set(images[: round(target_share * len(images))])
    place = parts.pool
    return ProofParts(
        pool=parts.pool,
        clean=_write(place.with_name("proof_clean.json"), clean),
        target=_write(
            place.with_name("proof_target.json"), [r for r in held if r.get("image", "") in first]
        ),
        test=_write(
            place.with_name("proof_test.json"), [r for r in held if r.get("image", "") not in first]
        ),
        marks=parts.marks,
        truth=truth,
    )


def by_source(parts: ProofParts, source: str) -> tuple[Path, Path, Path]:
    """The pool without a source, the source alone, and the marks of the first."""
    records = read_records(parts.pool)
    rest = [r for r in records if r.get("source") != source]
    own = [r for r in records if r.get("source") == source]
    known = {record["id"] for record in rest}
    marks = parts.marks.with_name(f"proof_marks_without_{source}.csv")
    with parts.marks.open(newline="", encoding="utf-8") as handle:
        rows = [row for row in csv.DictReader(handle) if row["id"] in known]
    temporary = marks.with_suffix(".partial")
    with temporary.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, ["id", "label"])
        writer.writeheader()
        writer.writerows(rows)
    temporary.replace(marks)
    return (
        _write(parts.pool.with_name(f"proof_without_{source}.json"), rest),
        _write(parts.pool.with_name(f"proof_only_{source}.json"), own),
        marks,
    )


def sources(parts: ProofParts) -> dict[str, tuple[int, int]]:
    """Source to its samples and how many of them are defective."""
    found: dict[str, list[int]] = {}
    for record in read_records(parts.pool):
        counts = found.setdefault(record.get("source", ""), [0, 0])
        counts[0] += 1
        counts[1] += parts.truth[record["id"]].bad
    return {name: (total, bad) for name, (total, bad) in sorted(found.items())}


def _write(path: Path, records: list[dict[str, Any]]) -> Path:
    temporary = path.with_suffix(".partial")
    temporary.write_text(json.dumps(records, ensure_ascii=False, indent=0) + "\n", "utf-8")
    return temporary.replace(path)
