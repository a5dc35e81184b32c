"""Dividing the demo pool."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_cards.demo.parts import Parts, divide
from data_cards.errors import BadInputError
from data_cards.source import open_source


def _pool(folder: Path, images: list[int | None], bad: set[int]) -> Path:
    records = []
    for number, image in enumerate(images):
        quality = "planted" if number in bad else "good"
        record: dict[str, Any] = {"id": f"s{number}", "truth": {"quality": quality}}
        if image is not None:
            record["image"] = f"images/{image}.png"
        record["conversations"] = [
            {"from": "human", "value": "What?"},
            {"from": "gpt", "value": f"That {number}."},
        ]
        records.append(record)
    path = folder / "pool.json"
    path.write_text(json.dumps(records))
    return path


def _read(parts: Parts) -> dict[str, list[dict[str, Any]]]:
    return {
        name: json.loads(getattr(parts, name).read_text()) for name in ("pool", "held_out", "batch")
    }


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(
    images=st.lists(st.one_of(st.none(), st.integers(0, 12)), min_size=1, max_size=60),
    bad=st.sets(st.integers(0, 59)),
    seed=st.integers(0, 3),
)
def test_no_picture_stands_in_two_parts(
    tmp_path: Path, images: list[int | None], bad: set[int], seed: int
) -> None:
    parts = divide(_pool(tmp_path, images, bad), seed, held_out=8, batch=6, marks=5)
    read = _read(parts)
    seen = [{r["image"] for r in part if "image" in r} for part in read.values()]
    assert not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])
    assert all(r["truth"]["quality"] == "good" for r in read["held_out"])
    ids = [r["id"] for part in read.values() for r in part]
    assert len(ids) == len(set(ids))
    lost = {f"s{i}" for i in range(len(images))} - set(ids)
    assert all(int(id_[1:]) in bad for id_ in lost)
    with parts.marks.open(newline="") as handle:
        marks = list(csv.DictReader(handle))
    assert len(marks) == min(5, len(read["pool"]))
    truth = {r["id"]: r["truth"]["quality"] == "good" for r in read["pool"]}
    assert all(truth[mark["id"]] == bool(int(mark["label"])) for mark in marks)


def test_the_order_of_the_records_does_not_decide(tmp_path: Path) -> None:
    images: list[int | None] = [i % 20 for i in range(100)]
    first = _read(divide(_pool(tmp_path, images, {3, 50}), 0, 20, 10, 5))
    path = _pool(tmp_path, images, {3, 50})
    path.write_text(json.dumps(json.loads(path.read_text())[::-1]))
    second = _read(divide(path, 0, 20, 10, 5))
    for name in first:
        assert {r["id"] for r in first[name]} == {r["id"] for r in second[name]}
    third = _read(divide(_pool(tmp_path, images, {3, 50}), 1, 20, 10, 5))
    assert {r["id"] for r in first["held_out"]} != {r["id"] for r in third["held_out"]}


def test_parts_are_read_like_the_pool(tmp_path: Path) -> None:
    parts = divide(_pool(tmp_path, [1, 2, 3, 4], set()), 0, 1, 1, 2)
    samples = list(open_source(parts.held_out).samples())
    assert len(samples) == 1 and samples[0].response.startswith("That")


def test_no_pool(tmp_path: Path) -> None:
    (tmp_path / "pool.json").write_text("{}")
    with pytest.raises(BadInputError, match="no demo pool"):
        divide(tmp_path / "pool.json", 0)
