"""Methods of the shelf as ways to choose instruction data."""

import numpy as np
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
    assert f"{method}: pick 1, gain" in made.table["reason"][0].as_py()


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
