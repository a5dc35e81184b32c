"""Methods of the shelf as ways to choose instruction data."""

import numpy as np
import pyarrow.compute as pc
import pytest

from data_cards.errors import BadInputError
from selector.pick import select
from selector.picker import registry
from selector.selection import Candidates

SHELF = [name for name, one in registry().items() if type(one).__name__.startswith("Shelf_")]


def pool(seed=0, rows=40):
    rng = np.random.default_rng(seed)
    vectors = [rng.normal(size=(rows, 6)).astype(np.float32) for _ in range(2)]
    for matrix in vectors:
        matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    vectors[0][3] = np.nan
    refused = np.full(rows, None, dtype=object)
    refused[5], refused[6] = "too short", "image missing"
    content = np.arange(rows)
    content[8] = content[9]
    return Candidates(
        np.array([f"s{n}" for n in range(rows)], object), rng.random(rows), refused,
        refused == "image missing", vectors[0].astype(np.float16), vectors[1].astype(np.float16),
        content,
    )  # fmt: skip


def permuted(given, order):
    columns = (given.quality, given.refused, given.failed, given.image_vectors, given.text_vectors)
    return Candidates(given.ids[order], *(c[order] for c in columns), given.content[order])


def test_those_that_need_no_labels_are_there():
    assert sorted(SHELF) == [
        "d2", "facility-location", "graph-cut", "herding", "k-center", "robust-k-center", "semdedup"
    ]  # fmt: skip


@pytest.mark.parametrize("method", SHELF)
def test_exactly_so_many_and_a_reason_for_every_row(method):
    made = select(pool(), 10, method=method, space="both")
    assert len(made.ids) == 10 and not {"s5", "s6"} & set(made.ids)
    assert not {"s8", "s9"} <= set(made.ids)
    assert made.funnel() == {
        "failed": 1, "floored": 1, "duplicate": 1, "not chosen": 27, "chosen": 10
    }  # fmt: skip
    assert made.table["reason"].null_count == 0
    assert made.table["reason"][0].as_py().startswith(f"{method}: pick 1 of 10; ")
    rest = made.table.filter(pc.equal(made.table["stage"], "not chosen"))["reason"].to_pylist()
    assert all(one.startswith(f"not among the 10 picks of {method}; ") for one in rest)


@pytest.mark.parametrize("method", SHELF)
def test_the_order_of_the_rows_plays_no_part(method):
    given = pool()
    order = np.random.default_rng(4).permutation(40)
    one, other = (select(p, 9, method=method) for p in (given, permuted(given, order)))
    assert one.ids == other.ids


def test_what_has_no_vector_is_not_chosen():
    made = select(pool(), 39, method="herding", space="image")
    assert "s3" not in made.ids and len(made.ids) == 36
    assert "36" in made.parameters["shortfall"]
    row = made.table["id"].to_pylist().index("s3")
    assert "no vector" in made.table["reason"][row].as_py()
    bare = pool()
    bare = Candidates(bare.ids, bare.quality, bare.refused, bare.failed)
    with pytest.raises(BadInputError, match="herding chooses by vectors, and none of 38 samples"):
        select(bare, 5, method="herding")


def test_options_stand_behind_the_colon_or_beside():
    typed = select(pool(), 8, method="graph-cut:neighbours=3,weight=9")
    beside = select(pool(), 8, method="graph-cut", own={"neighbours": 3, "weight": 9.0})
    assert typed.ids == beside.ids and typed.ids != select(pool(), 8, method="graph-cut").ids
    assert typed.parameters == beside.parameters
    assert typed.parameters["options"] == {
        "weight": 9.0, "greedy": "naive", "epsilon": 0.01, "neighbours": 3
    }  # fmt: skip
    assert typed.parameters["method"] == "graph-cut"
    made = select(pool(), 8, method="semdedup:epsilon=0.5,clusters=4")
    assert made.parameters["options"]["clusters"] == 4 and "clusters" not in made.parameters
    assert made.parameters["found"]["rule"] == "chains"
    assert select(pool(), 8, method="k-center").parameters["options"] == {"first": "mean"}


@pytest.mark.parametrize(
    ("method", "words", "remedy"),
    [
        ("ccs", "'ccs' ranks by how hard samples are to a classifier", "Taken here: d2, facility"),
        ("hardest:aum", "'hardest' ranks by how hard", "prune --by hardest"),
        ("moderate", "'moderate' needs the class of each sample", "k-center, robust-k-center"),
        ("HERDING", "unknown method 'HERDING'", "Did you mean herding?"),
        ("zzz", "unknown method 'zzz'", "Methods are: clusters, d2"),
        ("graph-cut:", "nothing stands behind a colon", "METHOD[:OPTION=VALUE"),
        (
            "graph-cut:neighbour=8",
            "'graph-cut' has no option neighbour",
            "Did you mean neighbours?",
        ),
        ("graph-cut:neighbours=-1", "'graph-cut': neighbours is -1", "a whole number from 0 up"),
        ("d2:aum", "'d2': 'aum' is not OPTION=VALUE", "ranks by quality"),
        ("herding:aum", "'herding': 'aum' is not OPTION=VALUE", "METHOD[:OPTION=VALUE"),
        ("clusters:tempering=0", "'clusters' takes nothing behind a colon", "by themselves"),
        ("k-center:selected=3", "selected is an option only in Python", "choose"),
    ],
)
def test_what_cannot_be_is_refused(method, words, remedy):
    with pytest.raises(BadInputError, match=words) as caught:
        select(pool(), 5, method=method)
    assert remedy in caught.value.remedy
    with pytest.raises(BadInputError, match="neighbours is given twice"):
        select(pool(), 5, method="graph-cut:neighbours=3", own={"neighbours": 4})
    with pytest.raises(BadInputError, match="'top' does not use own"):
        select(pool(), 5, method="top", own={"neighbours": 4})


def test_words_of_d2_are_true_of_quality_too():
    given = pool()
    made = select(given, 10, method="d2:cut=0.2")
    rows = made.table.to_pylist()
    assert not any(word in row["reason"] for row in rows for word in ("hard", "difficult"))
    cut = [row for row in rows if "cut off: one of the 7 highest" in row["reason"]]
    able = [row["quality"] for row in rows if "d2" in row["reason"]]
    assert sorted(row["quality"] for row in cut) == sorted(able)[-7:]
    assert all(f"; quality {row['quality']:.4g}, cut off" in row["reason"] for row in cut)
    assert "from its score and its neighbours', less what earlier picks took" in rows[0]["reason"]
