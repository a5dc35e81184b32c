"""What a server refuses, and answers that hold no rating."""

import pytest
from PIL import Image

from data_cards import BadInputError
from scoring.judge.base import JudgeItem
from tests.scoring.judge.fake_server import FakeServer, prompt_of
from tests.scoring.judge.questions import items, judge


def test_a_refused_key_ends_the_run_and_is_not_repeated(monkeypatch):
    monkeypatch.setenv("PICKWELL_JUDGE_API_KEY", "sk-secret")
    with FakeServer() as server:
        server.say = lambda body: (401, {"error": {"message": "Incorrect key sk-secret"}})
        with pytest.raises(BadInputError) as raised:
            judge(server).judge(items(20))
        assert "PICKWELL_JUDGE_API_KEY" in str(raised.value)
        assert "sk-secret" not in str(raised.value)
        assert server.headers[0]["Authorization"] == "Bearer sk-secret"
        assert server.requests <= 8  # none was tried again


def test_the_key_is_written_nowhere(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with FakeServer() as server:
        asked = judge(server, tmp_path)
        asked.judge(items(3))
        asked._cache.close()
    assert server.headers[0]["Authorization"] == "Bearer sk-secret"
    assert "sk-secret" not in asked.name + asked.key
    assert all(b"sk-secret" not in path.read_bytes() for path in tmp_path.iterdir())


def test_an_unknown_model_in_the_servers_words():
    with FakeServer() as server:
        server.say = (404, {"error": {"message": "The model `fake` does not exist."}})
        with pytest.raises(BadInputError, match="The model `fake` does not exist"):
            judge(server).judge(items(3))


def test_a_blind_judge_names_the_remedy_and_text_goes_on(picture):
    def say(body):
        if isinstance(body["messages"][0]["content"], list):
            return 400, {"error": {"message": "fake is not a multimodal model"}}
        return None

    shown = JudgeItem("What is it?", "Red.", (picture,))
    with FakeServer() as server:
        server.say = say
        with pytest.raises(BadInputError, match="--no-judge-images"):
            judge(server).judge([shown])
        found = judge(server, in_flight=1).judge([*items(2), shown, shown, *items(2, 5)])
        assert [one.rating is None for one in found] == [False, False, True, True, False, False]
        assert "--no-judge-images" in found[2].reason and found[2].retryable
        assert all(one.rating for one in judge(server, images=False).judge([shown, *items(1)]))


def test_a_picture_is_sent_small_and_as_jpeg(picture):
    import base64
    from io import BytesIO

    with FakeServer() as server:
        assert judge(server, image_side=100).judge([JudgeItem("q", "a", (picture,))])[0].rating
        content = server.bodies[0]["messages"][0]["content"]
        assert judge(server, rubric="paper", attempts=1).judge([JudgeItem("q", "a", (picture,))])
        assert isinstance(server.bodies[1]["messages"][0]["content"], str)
    head, _, data = content[1]["image_url"]["url"].partition(",")
    sent = Image.open(BytesIO(base64.b64decode(data)))
    assert head == "data:image/jpeg;base64" and (sent.format, sent.size) == ("JPEG", (100, 25))


def test_a_picture_that_changed_is_no_picture_of_this_row(picture):
    picture.ref.path.write_bytes(b"other")
    with FakeServer() as server:
        (found,) = judge(server).judge([JudgeItem("q", "a", (picture,))])
        assert found.rating is None and "image changed" in found.reason and found.retryable
        assert not server.requests


def test_too_long_is_never_cut_and_not_asked_again(tmp_path):
    words = "This model's maximum context length is 100 tokens. However, you requested 200."
    with FakeServer() as server:
        server.say = lambda body: (400, {"error": {"message": words}})
        (found,) = judge(server, tmp_path).judge([JudgeItem("q", "word " * 5000)])
        assert not found.retryable and "too long for the judge" in found.reason
        assert server.requests == 1 and "word " * 4999 in str(server.bodies[0])
        judge(server, tmp_path).judge([JudgeItem("q", "word " * 5000)])
        assert server.requests == 1


def test_what_a_server_turns_down_is_left_out_from_then_on():
    def say(body):
        for name in ("top_logprobs", "response_format", "temperature"):
            if name in body:
                return 400, {"error": {"message": f"Unsupported parameter: '{name}'"}}
        if "max_tokens" in body:
            words = "'max_tokens' is not supported, use 'max_completion_tokens' instead."
            return 400, {"error": {"message": words}}
        return None

    with FakeServer() as server:
        server.say = say
        asked = judge(server)
        found = asked.judge(items(30))
        assert all(one.rating is not None and one.method == "parsed" for one in found)
        assert server.bodies[-1]["max_completion_tokens"] == 128
        assert asked.usage.retries == 0 and len(server.answered) == 30


def test_fewer_alternatives_are_better_than_none():
    def say(body):
        if body.get("top_logprobs", 0) > 5:
            words = "Requested sample logprobs of 20, which is greater than max allowed: 5"
            return 400, {"error": {"message": words}}
        return None

    with FakeServer() as server:
        server.say = say
        found = judge(server).judge(items(30))
        assert {one.method for one in found} == {"expected"}


def test_an_answer_without_ratings_is_tried_again_then_final(tmp_path):
    with FakeServer() as server:
        choice = {"message": {"content": "I like it."}, "finish_reason": "length"}
        server.say = (200, {"choices": [choice], "usage": {"prompt_tokens": 7}})
        asked = judge(server, tmp_path)
        (found,) = asked.judge(items(1))
        assert server.requests == 3 and not found.retryable and found.rating is None
        assert found.reason == "cut off: the answer holds no JSON object: 'I like it.'"
        assert found.prompt_tokens == asked.usage.prompt_tokens == 21
        assert asked.usage.unrated == 1


def test_an_answer_without_ratings_after_failures_has_its_three_tries_all_the_same():
    replies = iter(
        [(500, {}), (500, {}), *[(200, {"choices": [{"message": {"content": "?"}}]})] * 3]
    )
    with FakeServer() as server:
        server.say = lambda body: next(replies)
        (found,) = judge(server).judge(items(1))
        assert server.requests == 5 and not found.retryable


def test_an_answer_without_ratings_that_an_outage_cut_short_is_not_final(tmp_path):
    with FakeServer() as server:
        asked = judge(server, tmp_path)

        def say(body):
            asked._stopped = "the server is gone"
            return 200, {"choices": [{"message": {"content": "I like it."}}]}

        server.say = say
        (found,) = asked.judge(items(1))
        assert server.requests == 1 and found.retryable and "no JSON object" in found.reason


def test_refused_rows_are_no_outage(tmp_path):
    def say(body):
        refused = any(f"number {n}?" in prompt_of(body) for n in range(8))
        return (400, {"error": {"message": "content filter"}}) if refused else None

    with FakeServer() as server:
        server.say = say
        found = judge(server, tmp_path, in_flight=1).judge(items(12))
    assert [one.rating is None for one in found] == [True] * 8 + [False] * 4
    assert all(one.retryable and "content filter" in one.reason for one in found[:8])
