from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_cards.errors import BadInputError
from selector.quotas import quotas

SIZES = st.lists(st.integers(0, 400), min_size=1, max_size=12)


def test_by_hand() -> None:
    # 10 places over 53, 24, 23: ideal 5.3, 2.4, 2.3 -> 5, 2, 2 and the tenth to the 2.4.
    assert quotas([53, 24, 23], 10).tolist() == [5, 3, 2]


def test_ties_go_to_the_earlier_cluster() -> None:
    assert quotas([7, 7, 7], 4).tolist() == [2, 1, 1]


def test_small_cluster_passes_the_rest_on() -> None:
    # Equal shares would be 10 each; the cluster of 2 gives 8 back, 4 to each of the others.
    assert quotas([2, 50, 50], 30, tempering=0).tolist() == [2, 14, 14]


def test_release_sizes_sum_to_200_by_largest_remainder() -> None:
    granted = quotas([1234, 880, 325, 300, 286, 177, 85, 80, 59, 13], 200)
    assert granted.sum() == 200
    assert granted.tolist() == [72, 51, 19, 17, 17, 10, 5, 5, 3, 1]


def test_tempering_and_share_cap() -> None:
    assert quotas([100, 1], 2, tempering=0).tolist() == [1, 1]
    assert quotas([900, 100, 100], 10, max_share=0.5).tolist() == [5, 3, 2]
    # Two clusters of at most 2 places each cannot hold 10: the sum comes first.
    assert quotas([50, 50], 10, max_share=0.2).sum() == 10


@given(SIZES, st.integers(0, 600), st.sampled_from([0.0, 0.5, 1.0, 1.7]), st.floats(0.05, 1.0))
def test_sum_is_exact_and_no_size_is_passed(
    sizes: list[int], budget: int, tempering: float, share: float
) -> None:
    granted = quotas(sizes, budget, tempering=tempering, max_share=share)
    assert granted.sum() == min(budget, sum(sizes))
    assert (granted <= np.array(sizes)).all() and (granted >= 0).all()


@given(SIZES, st.integers(0, 600))
def test_proportional_quota_is_the_ideal_share_rounded_up_or_down(
    sizes: list[int], budget: int
) -> None:
    budget = min(budget, sum(sizes))
    if not sum(sizes):
        return
    for size, got in zip(sizes, quotas(sizes, budget), strict=True):
        ideal = Fraction(size * budget, sum(sizes))
        assert ideal.__floor__() <= got <= ideal.__ceil__()


@given(SIZES, st.integers(1, 100))
def test_larger_cluster_never_gets_less(sizes: list[int], budget: int) -> None:
    ordered = sorted(sizes, reverse=True)
    granted = quotas(ordered, budget, tempering=0.5)
    assert (np.diff(granted) <= 0).all()


@pytest.mark.parametrize(
    "arguments",
    [
        {"sizes": [1], "budget": -1},
        {"sizes": [-1], "budget": 1},
        {"sizes": [1], "budget": 1, "tempering": -0.5},
        {"sizes": [1], "budget": 1, "tempering": float("nan")},
        {"sizes": [1], "budget": 1, "max_share": 0},
    ],
)
def test_out_of_range(arguments: dict) -> None:
    with pytest.raises(BadInputError):
        quotas(**arguments)
