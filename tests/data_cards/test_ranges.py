"""Ranges in words."""

from __future__ import annotations

import pytest
from annotated_types import Ge, Gt, Le, Lt

from data_cards.ranges import range_words


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ([], ""),
        ([Ge(1)], " from 1 up"),
        ([Gt(0)], " above 0"),
        ([Le(0.5)], " at most 0.5"),
        ([Lt(10_000)], " below 10,000"),
        ([Ge(-1), Le(1)], " from -1 to 1"),
        ([Ge(0), Lt(1)], " from 0, below 1"),
        ([Gt(0), Le(1)], " above 0 and at most 1"),
        ([Gt(0), Lt(1)], " above 0 and below 1"),
        (["a note", Ge(2)], " from 2 up"),
    ],
)
def test_limits_in_words(limits, words):
    assert range_words(limits) == words
