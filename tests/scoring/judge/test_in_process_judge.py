"""The judge in process with a stand-in for vLLM; with the real one in test_real_vllm.py."""

import json
from types import SimpleNamespace

import pytest

from data_cards import BadInputError, ImageRef
from scoring.hub_models import HubModel
from scoring.judge import in_process
from scoring.judge.base import JudgeItem, JudgeOptions
from scoring.judge.in_process import VllmJudge
from scoring.judge.spec import judge_from_spec
from scoring.pictures import Picture
from scoring.store import content_key

COMMIT = "ab" * 20
INSTALLED = SimpleNamespace(util=SimpleNamespace(find_spec=lambda name: True))
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
            if "odd" in message["content"]:
                raise ValueError("absolute aspect ratio must be smaller than 200, got 300.0")
            if "blind" in message["content"]:
                raise ValueError("At most 0 image(s) may be provided in one prompt.")
        answer = SimpleNamespace(text=SAID, token_ids=[1], logprobs=None, finish_reason="stop")
        output = SimpleNamespace(prompt_token_ids=[1, 2, 3], outputs=[answer])
        return [output] * len(conversations)


@pytest.fixture
def judge(tmp_path, monkeypatch):
    made = judge_from_spec(f"vllm:some/model@{COMMIT}", JudgeOptions(), tmp_path)
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
        judge.judge([JudgeItem("q", "blind"), JudgeItem("q", "a")])
    _, found = judge.judge([JudgeItem("q", "a"), JudgeItem("q", "blind")])
    assert found.retryable and "--no-judge-images" in found.reason


def test_one_odd_row_is_null_for_now_and_the_others_are_kept(judge):
    rows = [JudgeItem("q", text) for text in ("odd", "a", "b")]
    odd, *others = judge.judge(rows)
    assert odd.retryable and "aspect ratio" in odd.reason and all(one.rating for one in others)
    assert [one.cached for one in judge.judge(rows)] == [False, True, True]


def test_a_model_that_refuses_row_after_row_ends_the_run(judge):
    with pytest.raises(BadInputError, match="aspect ratio"):
        judge.judge([JudgeItem("q", f"odd {n}") for n in range(40)])


def test_equal_rows_are_asked_about_once(judge):
    found = judge.judge([JudgeItem("q", text) for text in ("a", "b", "a", "a")])
    assert judge._llm.batches == [2] and [one.rating for one in found] == [2.5] * 4
    assert (judge.usage.answered, judge.usage.from_cache) == (2, 2)


def test_a_picture_that_cannot_be_read_now_is_asked_about_again(judge, tmp_path):
    gone = Picture(content_key(b""), ImageRef("a.png", path=tmp_path / "gone.png"))
    (found,) = judge.judge([JudgeItem("q", "a", (gone,))])
    assert found.retryable and found.reason


def test_commit_and_engine_stand_in_the_key_and_where_it_runs_does_not(tmp_path):
    def key(spec=f"vllm:a/b@{COMMIT}", **engine):
        return judge_from_spec(spec, JudgeOptions(engine=engine)).key

    other = f"vllm:a/b@{'cd' * 20}"
    assert len({key(), key(other), key(quantization="fp8"), key(dtype="float16")}) == 4
    assert key(tensor_parallel_size=2, gpu_memory_utilization=0.5) == key()
    (tmp_path / "config.json").write_text("{}")
    assert key(f"vllm:{tmp_path}") != key(f"vllm:{tmp_path}", quantization="fp8")


def test_a_name_stands_for_the_commit_that_the_hub_gives(monkeypatch):
    monkeypatch.setattr(in_process, "hub_model", lambda name: HubModel("a/b", COMMIT))
    monkeypatch.setattr(in_process, "importlib", INSTALLED)
    judge = judge_from_spec("vllm:a/b")
    assert judge.name == f"vllm:a/b@{COMMIT}" and COMMIT in judge.check()[1]
    assert judge.key == judge_from_spec(f"vllm:a/b@{COMMIT}").key


def test_a_model_that_the_hub_does_not_have_is_told_of(monkeypatch):
    monkeypatch.setattr(in_process, "importlib", INSTALLED)
    fine, line = judge_from_spec("vllm:nobody/nothing").check()
    assert not fine and "nobody/nothing is not in the local cache" in line


def test_a_model_without_a_chat_template_is_refused_in_plain_words(judge, monkeypatch):
    def none(chat, **options):
        raise ValueError("tokenizer.chat_template is not set")

    tokenizer = SimpleNamespace(apply_chat_template=none)
    monkeypatch.setattr(judge._llm, "get_tokenizer", lambda: tokenizer, raising=False)
    with pytest.raises(BadInputError, match="chat_template is not set"):
        judge.judge([JudgeItem("q", "a")])
