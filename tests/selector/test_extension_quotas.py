"""Places beside earlier picks: exact sums, never negative, Hamilton where nothing is held."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_cards.errors import BadInputError
from selector.extension_quotas import extension_quotas
from selector.quotas import quotas

clusters = st.lists(
    st.tuples(st.integers(1, 60), st.integers(0, 30), st.integers(0, 20)), min_size=1, max_size=12
)


@given(clusters, st.integers(0, 200), st.sampled_from([0.0, 0.5, 1.0]))
def test_sums_exactly_and_stays_in_bounds(rows, budget, tempering):
    size, held, room = (np.array(column) for column in zip(*rows, strict=True))
    size = size + held + room
    places = extension_quotas(size, held, room, budget, tempering=tempering)
    assert places.sum() == min(budget, room.sum())
    assert (places >= 0).all() and (places <= room).all()


@given(st.lists(st.integers(1, 50), min_size=1, max_size=12), st.integers(0, 300))
def test_with_nothing_held_it_is_hamilton(sizes, budget):
    size = np.array(sizes)
    none = np.zeros(len(size), int)
    np.testing.assert_array_equal(extension_quotas(size, none, size, budget), quotas(size, budget))


@given(clusters, st.integers(0, 100))
def test_more_budget_never_takes_more_than_one_place_away(rows, budget):
    """The share grows with the budget; only the rounding of one place may move."""
    size, held, room = (np.array(column) for column in zip(*rows, strict=True))
    size = size + held + room
    less = extension_quotas(size, held, room, budget)
    more = extension_quotas(size, held, room, budget + 1)
    assert (more >= less - 1).all()


def test_by_hand():
    # due of 20 in all: 10, 6, 4; held 10, 4, 0
    places = extension_quotas(np.array([50, 30, 20]), np.array([10, 4, 0]), np.array([9, 9, 9]), 6)
    np.testing.assert_array_equal(places, [0, 2, 4])
    # the first holds more than its share: the others share what is left by size, none below 0
    places = extension_quotas(np.array([50, 30, 20]), np.array([14, 0, 0]), np.array([9, 9, 9]), 5)
    np.testing.assert_array_equal(places, [0, 3, 2])
    # the last has room for one
    places = extension_quotas(np.array([50, 30, 20]), np.array([10, 4, 0]), np.array([9, 9, 1]), 6)
    np.testing.assert_array_equal(places, [2, 3, 1])  # 19 in all for 80 rows: 1.9 and 3.1


def test_bad_counts():
    with pytest.raises(BadInputError, match="negative"):
        extension_quotas(np.array([1]), np.array([-1]), np.array([1]), 1)
    with pytest.raises(BadInputError, match="empty cluster"):
        extension_quotas(np.array([0]), np.array([0]), np.array([1]), 1)
