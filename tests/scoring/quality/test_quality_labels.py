import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_cards.errors import BadInputError
from scoring.quality.labels import make_labels, read_labels

IDS = [f"s{i}" for i in range(12)]
PAIRS = {"g1": ["s0", "s3", "s5"], "g2": ["s1", "s2"], "g3": ["s4", "s9"]}


def as_mapping(labels):
    return {
        name: (float(value), [IDS[r] for r in rows])
        for name, value, rows in zip(labels.names, labels.values, labels.members, strict=True)
    }


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_one_per_sample_in_every_format(tmp_path):
    rows = [{"id": "s3", "label": 1.5}, {"id": "s0", "label": -2}]
    files = [
        write(tmp_path / "a.csv", "id,label\ns3,1.5\ns0,-2\n"),
        write(tmp_path / "a.tsv", "id\tlabel\ns3\t1.5\ns0\t-2\n"),
        write(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows))),
        write(tmp_path / "a.json", json.dumps(rows)),
    ]
    pq.write_table(
        pa.Table.from_pylist([{"id": r["id"], "label": float(r["label"])} for r in rows]),
        tmp_path / "a.parquet",
    )
    for path in [*files, tmp_path / "a.parquet"]:
        labels = read_labels(path, IDS)
        assert as_mapping(labels) == {"s0": (-2.0, ["s0"]), "s3": (1.5, ["s3"])}
        assert not labels.grouped and labels.blocks == ("s0", "s3")


def test_one_per_group_in_every_format(tmp_path):
    values = {"g1": 1.0, "g2": 2.0, "g3": 3.0}
    wanted = {name: (values[name], sorted(PAIRS[name])) for name in values}
    table = write(tmp_path / "l.csv", "group,label\ng1,1\ng3,3\ng2,2\n")
    lines = [f"{id_},{g}" for g, ids in PAIRS.items() for id_ in ids] + ["s11,"]
    members = write(tmp_path / "m.csv", "id,group\n" + "\n".join(lines))
    assert as_mapping(read_labels(table, IDS, groups=members)) == wanted
    membership = {id_: g for g, ids in PAIRS.items() for id_ in ids} | {"s11": None}
    assert as_mapping(read_labels(table, IDS, membership=membership)) == wanted
    whole = {"groups": [{"group": g, "label": values[g], "ids": PAIRS[g]} for g in PAIRS]}
    path = write(tmp_path / "w.json", json.dumps(whole))
    assert as_mapping(read_labels(path, IDS)) == wanted


def test_a_list_of_numbers_belongs_to_groups_by_place(tmp_path):
    path = write(tmp_path / "labels.json", "[1.0, 2.5]")
    membership = {"s0": "0", "s1": "0", "s2": "1", "s3": "1", "s4": None}
    labels = read_labels(path, IDS, membership=membership)
    assert as_mapping(labels) == {"0": (1.0, ["s0", "s1"]), "1": (2.5, ["s2", "s3"])}


def test_standard_errors_become_weights(tmp_path):
    path = write(tmp_path / "l.csv", "id,label,se\ns0,1,1\ns1,2,2\n")
    labels = read_labels(path, IDS)
    assert labels.weights == pytest.approx([1.6, 0.4])  # 1 : 1/4, mean 1
    assert labels.errors == pytest.approx([1, 2])


def test_groups_beside_sample_labels_are_kept_together(tmp_path):
    path = write(tmp_path / "l.csv", "id,label,group\ns0,1,a\ns1,2,a\ns2,3,\n")
    assert read_labels(path, IDS).blocks == ("a", "a", "s2")


def test_the_order_of_rows_and_of_the_run_changes_nothing(tmp_path):
    one = make_labels({"s0": 1, "s5": 2}, IDS)
    two = make_labels({"s5": 2, "s0": 1}, IDS[::-1])
    assert one.names == two.names and one.digest() == two.digest()
    assert [IDS[r[0]] for r in one.members] == [IDS[::-1][r[0]] for r in two.members]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id,label\ns0,1\ns0,2\n", "'s0' occurs twice"),
        ("id,label\ns0,\n", "row 1: the label of 's0'"),
        ("id,label\ns0,good\n", "'good', no number"),
        ("id,label\ns0,nan\n", "is nan"),
        ("id,label\ns0,inf\n", "is inf"),
        ("id,label\nx0,1\ns1,2\n", "1 of 2 ids are not in the run, the first 'x0'"),
        ("id,score\ns0,1\n", "has columns id, score"),
        ("group,label\ng1,1\n", "nothing says which samples"),
        ("id,label\n", "holds no rows"),
        ("id,label,se\ns0,1,0\n", "standard error of 's0' is not above 0"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, told):
    with pytest.raises(BadInputError, match=r"l\.csv") as caught:
        read_labels(write(tmp_path / "l.csv", text), IDS)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("groups", "told"),
    [
        ([{"label": 1, "ids": ["s0"]}], "has one sample"),
        ([{"label": 1, "ids": ["s0", "s1"]}, {"label": 2, "ids": ["s1", "s2"]}], "'s1' stands in"),
        ([{"label": 1, "ids": ["s0", "s0"]}], "twice"),
        ([{"label": 1, "ids": ["s0", "zz"]}], "not in the run"),
        ([{"label": 1, "ids": []}], "no sample belongs"),
        ([{"label": float("nan"), "ids": ["s0", "s1"]}], "is nan"),
        ([{"ids": ["s0", "s1"]}], "None, no number"),
    ],
)
def test_what_is_wrong_with_a_group_is_named(tmp_path, groups, told):
    path = write(tmp_path / "g.json", json.dumps({"groups": groups}))
    with pytest.raises(BadInputError) as caught:
        read_labels(path, IDS)
    assert told in str(caught.value)


def test_a_file_that_is_not_there_or_broken(tmp_path):
    for path in (
        tmp_path / "no.csv",
        write(tmp_path / "x.json", "{"),
        write(tmp_path / "x.parquet", "x"),
    ):
        with pytest.raises(BadInputError, match=path.name):
            read_labels(path, IDS)
    assert np.isfinite(make_labels({"s0": 1}, IDS).values).all()
