"""Imported columns: bad files are refused with their reason, whatever they hold."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_cards import BadInputError
from scoring.imported import imported_table, read_imported

IDS = [f"p{n}" for n in range(6)]


def test_missing_nan_and_infinite_are_null_with_a_note(tmp_path):
    path = tmp_path / "mine.parquet"
    values = [1.5, None, float("nan"), float("inf"), -float("inf"), 0.0]
    pq.write_table(pa.table({"id": IDS, "mine": values}), path)
    found = read_imported(path, [*IDS, "new"], set())
    assert found.columns["mine"].to_pylist() == [1.5, None, None, None, None, 0.0, None]
    assert found.notes[0] is None and found.notes[5] is None
    assert all("not a finite number" in found.notes[n] for n in range(1, 5))
    assert found.notes[6] == "not in the imported file"


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (pa.array([2**60 + 1] * 6), 2.0**60),
        (pa.array([2**64 - 1] * 6, pa.uint64()), 2.0**64),
        (pa.array([True] * 6), 1.0),
        (pa.array(np.full(6, 0.5, np.float16)), 0.5),
    ],
)
def test_any_kind_of_number(values, wanted, tmp_path):
    path = tmp_path / "mine.parquet"
    pq.write_table(pa.table({"id": IDS, "mine": values}), path)
    assert read_imported(path, IDS, set()).columns["mine"].to_pylist() == [wanted] * 6


def test_text_columns_beside_numbers_are_left_out(tmp_path):
    path = tmp_path / "mine.csv"
    rows = "".join(f"{i},1,some words,2024-01-0{n + 1}\n" for n, i in enumerate(IDS))
    path.write_text("id,mine,comment,day\n" + rows)
    assert imported_table(path).column_names == ["id", "mine"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,mine\np1,1\np2,-\np3,3\n", "row 2: '-' in the column 'mine' is no number"),
        ("id,mine,mine\np1,1,2\n", "two columns 'mine'"),
        ("id,mine\np1,1\np1,2\n", "row 2: id 'p1' occurs twice"),
        ("key,mine\np1,1\n", "no column 'id'"),
        ("id,mine\np1,word\n", "no numeric column"),
        ("id,mine\np1,1,2\n", "cannot be read"),
        ("", "cannot be read"),
    ],
)
def test_bad_tables(text, said, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(BadInputError, match=said):
        imported_table(path)


def test_ids_that_are_none(tmp_path):
    path = tmp_path / "mine.parquet"
    pq.write_table(pa.table({"id": [["a"], ["b"]], "mine": [1.0, 2.0]}), path)
    with pytest.raises(BadInputError, match="not text"):
        imported_table(path)
    pq.write_table(pa.table({"id": ["a", None], "mine": [1.0, 2.0]}), path)
    with pytest.raises(BadInputError, match="row 2: the id is missing"):
        imported_table(path)
