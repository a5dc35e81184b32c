"""A corpus pruned: every row ends in one stage, with a reason that is true."""

import json

import numpy as np
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_cards.errors import BadInputError
from selector.prune.corpus import PruneOptions, prune


def names(count):
    return np.array([f"row-{n}" for n in range(count)], dtype=object)


def corpus(seed=0, count=90, dim=8):
    rng = np.random.default_rng(seed)
    classes = np.arange(count) % 3
    rows = rng.standard_normal((3, dim))[classes] + 0.4 * rng.standard_normal((count, dim))
    return rows.astype(np.float16), classes


@given(
    st.integers(0, 500),
    st.sampled_from(["hard", "easy", "random", "moderate"]),
    st.sampled_from([0.0, 0.25, 0.8, 1.0]),
    st.sampled_from(["labels", "clusters", "none"]),
    st.sampled_from([None, 0.9]),
    st.sampled_from([0.0, 0.3]),
    st.booleans(),
)
@settings(max_examples=30, deadline=None)
def test_every_row_has_its_stage_whatever_their_order(
    seed, strategy, share, balance_by, duplicates, mixed, supervised
):
    rows, classes = corpus(seed, 60)
    errors = [f"bad picture {n}" if n % 13 == 5 else None for n in range(60)]
    rows[np.array([e is not None for e in errors])] = np.nan
    options = PruneOptions(
        keep=share, strategy=strategy, balance_by=balance_by, duplicates=duplicates,
        random_share=mixed, prototypes=4, supervised=supervised, seed=seed,
    )  # fmt: skip
    found = prune(rows, names(60), options, errors=errors, classes=classes)
    funnel = found.selection.funnel()
    readable = 60 - funnel["failed"]
    assert funnel["failed"] == sum(e is not None for e in errors)
    able = readable - funnel["duplicate"]
    assert funnel["chosen"] == min(round(share * readable), able) == len(found.kept.rows)
    assert sum(funnel.values()) == 60
    table = found.selection.table
    assert None not in table["reason"].to_pylist()
    told = dict(zip(table["id"].to_pylist(), table["reason"].to_pylist(), strict=True))
    assert told["row-5"] == "bad picture 5"
    order = np.random.default_rng(seed).permutation(60)
    again = prune(
        rows[order], names(60)[order], options,
        errors=[errors[i] for i in order], classes=classes[order],
    )  # fmt: skip
    assert again.selection.ids == found.selection.ids
    assert (
        again.selection.table.sort_by("id")
        .drop(["quality"])
        .equals(table.sort_by("id").drop(["quality"]))
    )


def test_hard_and_easy_are_complements_at_a_half_and_the_reasons_say_which():
    rows, _ = corpus()
    hard = prune(rows, names(90), PruneOptions(keep=0.5, strategy="hard", prototypes=3))
    easy = prune(rows, names(90), PruneOptions(keep=0.5, strategy="easy", prototypes=3))
    assert set(hard.selection.ids) | set(easy.selection.ids) == set(names(90))
    assert not set(hard.selection.ids) & set(easy.selection.ids)
    first = hard.selection.table.slice(0, 1).to_pylist()[0]
    assert "kept, far from its prototype" in first["reason"]
    assert "place 1 of 90 from the hardest" in first["reason"]
    assert first["quality"] == pytest.approx(float(hard.prototypes.distance.max()))
    gone = hard.selection.table.filter(pc.equal(hard.selection.table["stage"], "not chosen"))
    assert "the last one kept by rank has place 45" in gone["reason"][0].as_py()


def test_duplicates_go_first_and_a_shortfall_is_said():
    rows, _ = corpus(count=30)
    twice = np.concatenate([rows, rows])
    found = prune(twice, names(60), PruneOptions(keep=0.8, prototypes=3, duplicates=1.0))
    assert found.selection.funnel() == {
        "failed": 0, "floored": 0, "duplicate": 30, "not chosen": 0, "chosen": 30,
    }  # fmt: skip
    assert "48 asked for, 30 pictures left" in found.selection.parameters["shortfall"]
    repeated = found.selection.table.filter(pc.equal(found.selection.table["stage"], "duplicate"))
    for row in repeated.to_pylist():
        assert int(row["rival"][4:]) % 30 == int(row["id"][4:]) % 30
        assert row["reason"].startswith(f"duplicate of {row['rival']} in its cluster: cosine 1.000")


def test_floors_of_classes_are_told_by_name():
    rows, classes = corpus(count=60)
    classes = np.where(np.arange(60) < 4, 2, 0)  # a rare class
    rows[:4] = rows[0]  # all of it easy: right on a prototype
    options = PruneOptions(keep=0.2, strategy="hard", balance_by="labels", prototypes=8)
    found = prune(rows, names(60), options, classes=classes, class_names=["a", "b", "owl"])
    kept = found.selection.table.slice(0, 12).to_pylist()
    assert sum("floor of class owl" in row["reason"] for row in kept) == 3
    assert not any("floor of class a" in row["reason"] for row in kept)  # the hardest of all
    gone = found.selection.table.filter(pc.equal(found.selection.table["stage"], "not chosen"))
    assert "the last one kept beside the floors has place 9" in gone["reason"][0].as_py()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"supervised": True}, "no classes"),
        ({"balance_by": "labels"}, "no classes"),
        ({"count": 91}, "91 of 90 readable"),
        ({"keep": 1.5}, "kept fraction is 1.5"),
        ({"duplicates": 0.9, "duplicates_share": 0.1}, "not clear"),
        ({"random_share": 2.0}, "random share 2"),
    ],
)
def test_what_cannot_be_done(options, says):
    rows, _ = corpus()
    with pytest.raises(BadInputError, match=says):
        prune(rows, names(90), PruneOptions(prototypes=3, **options))


def test_nothing_readable():
    rows = np.full((3, 4), np.nan, np.float16)
    with pytest.raises(BadInputError, match="no row has an embedding"):
        prune(rows, names(3), PruneOptions(), errors=["bad"] * 3)


def test_a_share_of_no_duplicates_has_no_threshold():
    rows, _ = corpus()
    found = prune(rows, names(90), PruneOptions(duplicates_share=0.0, prototypes=3))
    assert found.selection.parameters["duplicates_threshold"] is None
    json.dumps(dict(found.selection.parameters), allow_nan=False)
    some = prune(rows, names(90), PruneOptions(duplicates_share=0.1, prototypes=3))
    assert 0 < some.selection.parameters["duplicates_threshold"] <= 1
