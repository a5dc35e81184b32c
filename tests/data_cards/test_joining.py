"""Two files of records as one: every record as it stood, in order."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_cards.joining import can_join, join_files
from data_cards.source import open_source


def records(start, count):
    return [
        {
            "id": f"r{i}",
            "conversations": [
                {"from": "human", "value": "What?"},
                {"from": "gpt", "value": f'Thing\u2028 {i}, "quoted"'},
            ],
        }
        for i in range(start, start + count)
    ]


@pytest.mark.parametrize("kind", ["array", "lines", "lines without last break", "csv", "parquet"])
def test_all_records_in_order(tmp_path, kind):
    first, second = records(0, 3), records(3, 2)
    suffix = {"array": ".json", "csv": ".csv", "parquet": ".parquet"}.get(kind, ".jsonl")
    a, b, format = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}", "sharegpt"
    flat = [{"id": r["id"], "response": r["conversations"][1]["value"]} for r in first + second]
    if kind == "array":
        a.write_text(json.dumps(first, indent=1))
        b.write_text(json.dumps(second))
    elif kind == "csv":
        rows = ["id,response", *(f'{r["id"]},"x ""{r["id"]}"", y\nz"' for r in flat)]
        a.write_text("\n".join(rows[:4]))
        b.write_text("\n".join([rows[0], *rows[4:]]) + "\n")
        format = "csv"
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(flat[:3]), a)
        pq.write_table(pa.Table.from_pylist(flat[3:]), b)
        format = "parquet"
    else:
        end = "" if "without" in kind else "\n"
        a.write_text("\n".join(map(json.dumps, first)) + end)
        b.write_text("\n".join(map(json.dumps, second)) + end)
    assert can_join(a, b, format)
    join_files(a, b, a, format)
    found = list(open_source(a, format=format, columns=None).samples())
    assert [s.id for s in found] == [f"r{i}" for i in range(5)]
    assert all(s.error is None for s in found)
    if kind == "array":
        assert json.loads(a.read_text()) == first + second


def test_what_does_not_go_together(tmp_path):
    array, lines = tmp_path / "a.json", tmp_path / "b.jsonl"
    array.write_text(json.dumps(records(0, 1)))
    lines.write_text(json.dumps(records(1, 1)[0]) + "\n")
    assert not can_join(array, lines, "llava")
    assert not can_join(array, tmp_path, "imagefolder")
    one, two = tmp_path / "a.csv", tmp_path / "b.csv"
    one.write_text("id,response\n1,x\n")
    two.write_text("id,answer\n1,x\n")
    assert not can_join(one, two, "csv")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"a": ["x"]}), tmp_path / "b.parquet")
    assert not can_join(tmp_path / "a.parquet", tmp_path / "b.parquet", "parquet")
    assert not can_join(array, array, "webdataset")
