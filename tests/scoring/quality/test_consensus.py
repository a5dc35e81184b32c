import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_cards.errors import BadInputError
from scoring.metric import registry
from scoring.quality.consensus import (
    CONSENSUS_COLUMNS,
    consensus,
    consensus_columns,
    percentile_ranks,
)

NAN = np.nan
VALUES = st.lists(
    st.one_of(st.sampled_from([0.0, 1.0, NAN]), st.floats(-1e6, 1e6)), min_size=1, max_size=30
)


def naive_ranks(values: list[float]) -> list[float]:
    there = [v for v in values if v == v]
    return [
        (sum(o < v for o in there) + sum(o == v for o in there) / 2) / len(there) if v == v else NAN
        for v in values
    ]


@given(VALUES)
def test_percentile_ranks_equal_naive(values: list[float]) -> None:
    got = percentile_ranks(np.array(values))
    np.testing.assert_allclose(got, naive_ranks(values), atol=1e-12)


def test_by_hand() -> None:
    quality = consensus(
        {
            "alignment": np.array([0.1, 0.3, 0.2, NAN]),
            "repetition": np.array([0.0, 0.0, 0.9, NAN]),
            "words": np.array([1.0, 2.0, 3.0, 4.0]),
        },
        {"alignment": "higher", "repetition": "lower", "words": "none"},
    )
    # alignment: 1/6, 5/6, 3/6; repetition turned round: mid-rank 2/3 twice, then 1/6.
    np.testing.assert_allclose(quality, [5 / 12, 9 / 12, 4 / 12, NAN])


def test_missing_metric_does_not_count() -> None:
    quality = consensus(
        {"a": np.array([1.0, 2.0, 3.0]), "b": np.array([NAN, 1.0, 2.0])},
        {"a": "higher", "b": "higher"},
    )
    np.testing.assert_allclose(quality, [1 / 6, (3 / 6 + 1 / 4) / 2, (5 / 6 + 3 / 4) / 2])


def test_weights() -> None:
    columns = {"a": np.array([1.0, 2.0]), "b": np.array([2.0, 1.0])}
    directions = {"a": "higher", "b": "higher"}
    np.testing.assert_allclose(consensus(columns, directions, weights={"a": 3}), [0.375, 0.625])
    np.testing.assert_allclose(consensus(columns, directions, weights={"b": 0}), [0.25, 0.75])


@given(st.integers(0, 10_000), st.integers(0, 19), st.floats(0, 3))
def test_monotone(seed: int, row: int, rise: float) -> None:
    rng = np.random.default_rng(seed)
    columns = {"a": rng.normal(size=20).round(1), "b": rng.normal(size=20)}
    columns["b"][rng.random(20) < 0.3] = NAN
    directions = {"a": "higher", "b": "lower"}
    before = consensus(columns, directions)
    columns["a"][row] += rise
    after = consensus(columns, directions)
    others = np.arange(20) != row
    assert after[row] >= before[row] - 1e-12
    assert (after[others] <= before[others] + 1e-12).all()


@given(st.integers(0, 10_000))
def test_permuting_rows_and_columns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    columns = {name: rng.normal(size=25).round(1) for name in "abc"}
    directions = dict.fromkeys("abc", "higher")
    order = rng.permutation(25)
    there = consensus(columns, directions)
    moved = consensus({n: columns[n][order] for n in "cab"}, directions)
    assert (there[order] == moved).all()
    assert ((there > 0) & (there < 1)).all()
    assert there.mean() == pytest.approx(0.5)


@given(st.integers(0, 10_000))
def test_scale_and_outliers_do_not_matter(seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=15)
    assert (
        consensus({"a": x}, {"a": "higher"}) == consensus({"a": np.exp(5 * x)}, {"a": "higher"})
    ).all()


@pytest.mark.parametrize(
    ("columns", "directions", "weights"),
    [
        ({"a": [1.0]}, {}, None),
        ({"a": [1.0]}, {"a": "up"}, None),
        ({"a": [1.0]}, {"a": "none"}, None),
        ({"a": [1.0], "b": [1.0, 2.0]}, {"a": "higher", "b": "higher"}, None),
        ({"a": [1.0]}, {"a": "higher"}, {"a": -1}),
        ({"a": [1.0]}, {"a": "higher"}, {"a": 0}),
        ({}, {}, None),
    ],
)
def test_bad_input(columns, directions, weights) -> None:
    arrays = {name: np.array(values) for name, values in columns.items()}
    with pytest.raises(BadInputError):
        consensus(arrays, directions, weights=weights)


def test_misspelt_weight() -> None:
    with pytest.raises(BadInputError, match="Did you mean 'alignment'"):
        consensus(
            {"alignment": np.array([1.0])}, {"alignment": "higher"}, weights={"alignement": 2}
        )


def test_default_columns_exist_and_declare_a_direction() -> None:
    declared = {
        column.name: column.direction
        for metric in registry().values()
        for column in metric.spec.columns
    }
    assert all(declared[name] in ("higher", "lower") for name in CONSENSUS_COLUMNS)


def test_plain_agreement_stands_in_where_there_is_no_margin() -> None:
    some, none = np.array([0.1, np.nan]), np.array([np.nan, np.nan])
    run = dict.fromkeys([*CONSENSUS_COLUMNS, "alignment", "alignment_min", "tokens"], some)
    assert consensus_columns(run) == list(CONSENSUS_COLUMNS)
    stands_in = ["alignment", "alignment_min", *CONSENSUS_COLUMNS[2:]]
    assert consensus_columns(run | {"alignment_csls": none}) == stands_in
    del run["alignment_margin"]
    assert consensus_columns(run) == stands_in
    assert consensus_columns({"repetition": some}) == ["repetition"]
