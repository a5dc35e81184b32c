"""What is said of a choice beside the choice itself."""

import numpy as np
import pyarrow as pa
import pytest

from pickwell.judging import Judged, notes_of, nothing_told_apart
from selector.selection import Selection

NAN = float("nan")


def judged(quality, refused=None, **more) -> Judged:
    reasons = refused or [None] * len(quality)
    return Judged(
        np.array(quality, float),
        np.array(reasons, object),
        np.zeros(len(quality), bool),
        [],
        ["repetition"],
        **more,
    )


@pytest.mark.parametrize(
    ("quality", "refused", "tied"),
    [
        ([0.5, 0.5, 0.5], None, True),
        ([0.5, 0.5, 0.6], None, False),
        ([0.5, 0.5, 0.6], [None, None, "too short"], True),  # what is refused does not count
        ([0.5, NAN, 0.5], None, True),
        ([0.5], None, False),
        ([NAN, NAN], None, False),
        ([], None, False),
    ],
)
def test_a_quality_that_tells_nothing_apart_is_said_to(quality, refused, tied):
    said = nothing_told_apart(judged(quality, refused))
    assert (said is not None) == tied
    if said is not None:
        assert "(repetition) is the same for all 2" in said or "all 3" in said


def test_what_was_not_looked_for_is_said():
    table = pa.table({"id": ["a"]})
    found = judged([0.1, 0.2], notes=["Outside the range."])
    with_vectors = Selection(table, {"near_duplicate": {"image": 0.95}}, {})
    without = Selection(table, {"near_duplicate": {}}, {})
    off = Selection(table, {"near_duplicate": None}, {})
    assert notes_of(found, with_vectors) == notes_of(found, off) == ["Outside the range."]
    assert "Near-duplicates were not looked for" in notes_of(found, without)[1]
