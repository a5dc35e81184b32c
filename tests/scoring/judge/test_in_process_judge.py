"""The judge in process with a stand-in for vLLM; with the real one in test_real_vllm.py."""

import json
from types import SimpleNamespace

import pytest

from data_cards import BadInputError
from scoring.judge.base import JudgeItem, JudgeOptions
from scoring.judge.in_process import VllmJudge
from scoring.judge.spec import judge_from_spec

SAID = '{"relevance": 4, "correctness": 3, "completeness": 2, "helpfulness": 1}'


class Model:
    """Answers all alike; refuses the whole batch for the sake of one, as vLLM does."""

    llm_engine = SimpleNamespace(model_config=SimpleNamespace(max_model_len=1000))

    def __init__(self) -> None:
        self.batches: list[int] = []

    def get_tokenizer(self):
        return SimpleNamespace(
            apply_chat_template=lambda chat, **options: chat[0]["content"].split()
        )

    def chat(self, conversations, sampling, use_tqdm):
        self.batches.append(len(conversations))
        for (message,) in conversations:
            if "huge" in message["content"]:
                raise ValueError("prompt is longer than the maximum model length of 1000")
            if "blind" in message["content"]:
                raise ValueError("At most 0 image(s) may be provided in one prompt.")
        answer = SimpleNamespace(text=SAID, token_ids=[1], logprobs=None, finish_reason="stop")
        output = SimpleNamespace(prompt_token_ids=[1, 2, 3], outputs=[answer])
        return [output] * len(conversations)


@pytest.fixture
def judge(tmp_path, monkeypatch):
    made = judge_from_spec("vllm:some/model@rev", JudgeOptions(), tmp_path)
    assert isinstance(made, VllmJudge)
    monkeypatch.setattr(VllmJudge, "_sampling", None)
    monkeypatch.setattr(VllmJudge, "_llm", Model())
    return made


def test_one_batch_and_answers_are_kept(judge):
    rows = [JudgeItem("q", f"a{n}") for n in range(10)]
    found = judge.judge(rows)
    assert judge._llm.batches == [10] and found[0].ratings["relevance"] == 4.0
    assert json.loads(SAID) == found[9].ratings
    assert all(one.cached for one in judge.judge(rows)) and judge._llm.batches == [10]
    assert (judge.usage.answered, judge.usage.from_cache, judge.usage.prompt_tokens) == (10, 10, 30)


def test_one_that_is_too_long_costs_nobody_else_an_answer(judge):
    found = judge.judge([JudgeItem("q", text) for text in ("a", "word " * 2000, "huge", "b")])
    assert [one.rating is None for one in found] == [False, True, True, False]
    assert found[1].reason.startswith("too long for the judge (")
    assert found[2].reason.startswith("too long for the judge (prompt is longer")
    assert not found[1].retryable and not found[2].retryable


def test_a_blind_model_is_told_of_with_the_remedy(judge):
    with pytest.raises(BadInputError, match="--no-judge-images"):
        judge.judge([JudgeItem("q", "a"), JudgeItem("q", "blind")])
