"""The consensus of a reference: its own rows get their own ranks, others stand between."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.quality.consensus import consensus, percentile_ranks
from scoring.quality.floors import DEFAULT_FLOORS, apply_floors, parse_floor
from scoring.reference.consensus import (
    ReferenceConsensus,
    beyond_ranges,
    fixed_floors,
    ranges_of,
)

values = st.lists(
    st.one_of(st.just(float("nan")), st.floats(-3, 3).map(lambda v: round(v, 1))),
    min_size=1,
    max_size=40,
)


def percentiles_in(values, reference, direction="higher"):
    return ReferenceConsensus({"a": reference}, {"a": direction}).quality({"a": values})


@given(values, st.sampled_from(["higher", "lower"]))
def test_own_values_have_their_own_ranks(numbers, direction):
    column = np.array(numbers)
    np.testing.assert_array_equal(
        percentiles_in(column, column, direction), percentile_ranks(column, direction)
    )


def test_other_values_by_hand():
    reference = np.array([1.0, 2.0, 2.0, 4.0, np.nan])
    found = percentiles_in(np.array([0.0, 1.5, 2.0, 3.0, 9.0, np.nan]), reference)
    np.testing.assert_allclose(found, [0, 0.25, 0.5, 0.75, 1, np.nan])
    lower = percentiles_in(np.array([0.0, 9.0]), reference, "lower")
    np.testing.assert_allclose(lower, [1, 0])
    assert np.isnan(percentiles_in(np.array([1.0]), np.array([np.nan]))).all()


@given(st.integers(0, 1000))
def test_the_consensus_of_the_own_rows(seed):
    rng = np.random.default_rng(seed)
    columns = {name: rng.integers(0, 5, 30).astype(float) for name in ("a", "b", "c")}
    for column in columns.values():
        column[rng.random(30) < 0.2] = np.nan
    directions = {"a": "higher", "b": "lower", "c": "none"}
    usual = consensus(columns, directions)
    half = {name: column[10:] for name, column in columns.items()}
    found = ReferenceConsensus(columns, directions).quality(half)
    np.testing.assert_allclose(found, usual[10:], rtol=0, atol=1e-12)


def test_quantile_floors_keep_the_reference_s_limit():
    reference = {"alignment": np.arange(100.0), "words": np.full(100, 5.0)}
    floors = [
        parse_floor("alignment>=q0.05"),
        parse_floor("words<=9 when alignment>=q0.5"),
        parse_floor("words>=2"),
    ]
    fixed = fixed_floors(floors, reference)
    assert [str(f) for f in fixed] == [
        "alignment>=4.95",
        "words<=9 when alignment>=49.5",
        "words>=2",
    ]
    batch = {"alignment": np.array([1.0, 60.0, 60.0]), "words": np.array([5.0, 12.0, 5.0])}
    refused = apply_floors(batch, fixed)
    assert "quantile of the reference" in refused[0] and "words" in refused[1]
    assert refused[2] is None
    assert (
        fixed_floors(
            DEFAULT_FLOORS,
            {f.column: np.array([np.nan]) for f in DEFAULT_FLOORS} | {"words": np.array([np.nan])},
        )[-1].column
        != "alignment"
    )  # a quantile of nothing is no limit


def test_share_out_of_range():
    reference = {"a": np.array([0.0, 1.0]), "b": np.array([5.0, np.nan]), "c": np.array([np.nan])}
    batch = {"a": np.array([2.0, 0.5, np.nan]), "b": np.array([5.0, 4.0, np.nan]),
             "c": np.array([1.0, 1.0, 1.0]), "d": np.zeros(3)}  # fmt: skip
    np.testing.assert_allclose(beyond_ranges(batch, ranges_of(reference)), [0.5, 0.5, np.nan])


def test_no_row_s_rounding_depends_on_the_others():
    rng = np.random.default_rng(0)
    columns = {f"c{n}": rng.random(500) for n in range(20)}
    judge = ReferenceConsensus(columns, dict.fromkeys(columns, "higher"))
    together = judge.quality(columns)
    for row in range(50):
        alone = judge.quality({name: values[[row]] for name, values in columns.items()})
        assert alone[0] == together[row]


def test_no_direction_no_consensus():
    with pytest.raises(Exception, match="direction"):
        ReferenceConsensus({"a": np.ones(3)}, {"a": "none"})
