import math

import pytest

from scoring.language_model import ResponseLikelihood
from scoring.metric import Batch, Models
from scoring.metrics.likelihood import Likelihood


class Written:
    """Answers from a table, and counts its calls."""

    name = key = "written"

    def __init__(self, table):
        self.table, self.calls = table, 0

    def response_likelihood(self, instructions, responses):
        self.calls += 1
        return [
            ResponseLikelihood(*self.table[pair])
            for pair in zip(instructions, responses, strict=True)
        ]


TABLE = {
    ("q", "a"): (1.5, 3, None, -0.25),
    (None, "a"): (3.0, 3),
    ("q", "long"): (None, 9, "response longer than 8 tokens (9)"),
    (None, "long"): (None, 9, "response longer than 8 tokens (9)"),
    ("q", "sure"): (0.5, 1),
    (None, "sure"): (0.0, 1),
}


def test_worked_by_hand_in_one_call():
    model = Written(TABLE)
    batch = Batch(["q", "q", "q", " "], ["a", "long", "sure", "a"])
    found = Likelihood(Models("m", language_model=model)).score(batch)
    assert model.calls == 1
    assert found.columns["response_nll"] == [1.5, None, 0.5, None]
    assert found.columns["response_end"] == [-0.25, None, None, None]
    assert found.columns["response_nll_alone"] == [3.0, None, 0.0, 3.0]
    assert found.columns["ifd"] == [0.5, None, None, None]
    assert found.columns["ifd_perplexity"] == [
        pytest.approx(math.exp(-1.5)),
        None,
        pytest.approx(math.exp(0.5)),
        None,
    ]
    assert found.notes == [
        None,
        "response longer than 8 tokens (9)",
        "the response is certain without the instruction",
        "no instruction",
    ]


def test_without_a_model():
    found = Likelihood(Models("m")).score(Batch(["q"], ["a"]))
    assert [column[0] for column in found.columns.values()] == [None] * 5
    assert found.notes == ["no language model"]
