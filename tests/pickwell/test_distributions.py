"""What the chosen are made of beside what they were chosen from."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pickwell.distributions import ROWS, _binned, _counted, _words, distributions


def test_counts_the_commonest_first_and_the_rest_in_one_row():
    values = [f"s{i}" for i in range(20) for _ in range(20 - i)]
    picked = [value == "s19" for value in values]
    rows = _counted(values, picked)
    assert len(rows) == ROWS and rows[0] == {"value": "s0", "before": 20, "after": 0}
    assert rows[-1]["value"] == "9 others" and rows[-1]["after"] == 1
    assert sum(row["before"] for row in rows) == len(values)


@given(st.lists(st.tuples(st.integers(0, 500), st.booleans()), min_size=1, max_size=200))
def test_bins_hold_every_row_once_and_do_not_overlap(rows):
    numbers = np.array([number for number, _ in rows])
    picked = [taken for _, taken in rows]
    bins = _binned(numbers, picked)
    assert sum(row["before"] for row in bins) == len(rows)
    assert sum(row["after"] for row in bins) == sum(picked)
    ends = [tuple(map(int, row["value"].split(" to "))) for row in bins]
    spans = [(pair[0], pair[-1]) for pair in ends]
    assert all(low <= high for low, high in spans)
    assert all(a[1] + 1 == b[0] for a, b in pairwise(spans))
    for row, (low, high) in zip(bins, spans, strict=True):
        assert row["before"] == int(((numbers >= low) & (numbers <= high)).sum())


def test_words():
    texts = pa.chunked_array([["a b", None], ["  one\ntwo  three "]], pa.string())
    assert _words(texts).tolist() == [2, 0, 3]


class _Run:
    def samples(self, columns):
        return pa.table(
            {
                "id": ["a", "b", "c", "d"],
                "source": ["x", "x", "y", "y"],
                "response": ["one", "one two", "one two three", ""],
                "status": ["ok", "ok", "ok", "bad"],
            }
        )


class _Selection:
    ids = ("b",)
    table = pa.table(
        {
            "id": ["b", "a", "c", "d"],
            "stage": ["chosen", "not chosen", "duplicate", "failed"],
            "cluster": pa.array([0, 0, 1, None], pa.int32()),
        }
    )


def test_tables_are_of_the_readable_rows():
    tables = {table["title"]: table["rows"] for table in distributions(_Run(), _Selection())}
    assert tables["source"] == [
        {"value": "x", "before": 2, "after": 1},
        {"value": "y", "before": 1, "after": 0},
    ]
    assert [row["value"] for row in tables["words in the response"]] == ["1", "2", "3"]
    assert [row["before"] for row in tables["cluster"]] == [2, 1]
