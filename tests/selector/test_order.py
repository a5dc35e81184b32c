import numpy as np
import pytest

from data_cards.errors import BadInputError
from selector.order import canonical_order, id_digests, merit_order


def test_order_follows_the_ids_not_the_rows() -> None:
    ids = np.array([f"id {i}" for i in range(500)], dtype=object)
    shuffled = np.random.default_rng(1).permutation(500)
    first = ids[canonical_order(ids, 3)]
    second = ids[shuffled][canonical_order(ids[shuffled], 3)]
    assert first.tolist() == second.tolist()


def test_seed_and_purpose_give_other_orders() -> None:
    ids = [str(i) for i in range(50)]
    orders = [
        canonical_order(ids, 0),
        canonical_order(ids, 1),
        canonical_order(ids, 0, purpose="draw"),
    ]
    assert len({tuple(order) for order in orders}) == 3
    assert sorted(orders[0]) == list(range(50))


def test_digest_is_fixed_for_ever() -> None:
    # Another value would silently change every stored selection's ties.
    assert id_digests(["a"], 0).tolist() == [DIGEST_OF_A]


def test_negative_seed_and_empty_input() -> None:
    assert len(canonical_order([], -5)) == 0
    assert len(canonical_order(["x"], -5)) == 1


def test_repeated_id_is_named_by_position() -> None:
    with pytest.raises(BadInputError, match="positions 1 and 3"):
        canonical_order(["a", "b", "c", "b"])


def test_merit_order_puts_nan_last_and_keeps_canonical_order_in_ties() -> None:
    quality = np.array([0.5, np.nan, 0.9, 0.5])
    assert merit_order(quality, np.array([3, 1, 0, 2])).tolist() == [2, 3, 0, 1]


DIGEST_OF_A = [17632915358607171753, 2395047502372109371]
