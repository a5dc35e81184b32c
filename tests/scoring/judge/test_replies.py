import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from scoring.judge.replies import (
    AllRefusedError,
    RowRefusedError,
    TransientError,
    models_line,
    refusal,
    reply_from,
    seconds_of,
    words_of,
)


def said(message: str) -> bytes:
    return json.dumps({"error": {"message": message}}).encode()


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
def test_what_may_pass_is_tried_again(status):
    error = refusal(status, said("busy"), {"retry-after": "7"}, False)
    assert isinstance(error, TransientError)
    assert error.wait == 7 and "busy" in error.reason and str(status) in error.reason


@pytest.mark.parametrize(
    "words",
    [
        "This model's maximum context length is 1024 tokens. However, you requested 2000",
        "the request exceeds the available context size",
        "inputs tokens + max_new_tokens must be <= 4096",
        "The decoder prompt (length 9) is longer than the maximum model length of 8",
    ],
)
def test_too_long_is_final(words):
    error = refusal(400, said(words), {}, True)
    assert isinstance(error, RowRefusedError) and error.final and words in error.reason


@pytest.mark.parametrize(
    "words",
    [
        "smollm2 is not a multimodal model",
        "At most 0 image(s) may be provided in one prompt.",
        "This model does not support image inputs",
        "image input is not supported - hint: provide the mmproj",
        "Invalid content type. image_url is not supported by this model",
    ],
)
def test_a_blind_judge_is_told_of_with_the_remedy(words):
    error = refusal(400, said(words), {}, True)
    assert isinstance(error, AllRefusedError) and error.pictures
    assert "--no-judge-images" in error.remedy and words in error.reason
    assert isinstance(refusal(400, said(words), {}, False), RowRefusedError)


def test_another_complaint_is_not_final_for_the_server_may_be_mended():
    error = refusal(400, said("cannot identify image file"), {}, True)
    assert isinstance(error, RowRefusedError) and not error.final


@pytest.mark.parametrize("status", [301, 401, 403, 404, 405])
def test_what_no_row_will_be_spared(status):
    assert isinstance(refusal(status, b"", {}, False), AllRefusedError)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b'{"choices": []}',
        b'{"choices": [{}]}',
        b'{"choices": [{"message": {"content": 5}}]}',
        b'{"choices": [{"message": {"content": "x"}, "logprobs": {"content": [{}]}}]}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_a_broken_reply_may_pass(body):
    with pytest.raises(TransientError, match="the server's reply"):
        reply_from(body)


def test_retry_after_as_number_and_as_date():
    assert seconds_of("3") == 3 and seconds_of("0.5") == 0.5 and seconds_of("-3") == 0
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 50 < seconds_of(later) <= 60
    assert [seconds_of(text) for text in (None, "", "soon", "nan", "inf")] == [None] * 5


def test_words_are_one_line_and_short():
    assert words_of(b"<html><b>Bad\n gateway</b></html>") == "Bad gateway"
    assert words_of(b'{"object":"error","message":"no"}') == "no"
    assert words_of(b'{"detail":[{"msg":"field required"}]}') == '[{"msg": "field required"}]'
    assert len(words_of(b"x" * 9999)) == 300
    assert "\x1b" not in words_of(b"\x1b[31mred")


def test_the_list_of_models():
    body = json.dumps({"data": [{"id": "Qwen/Qwen3-VL-8B"}, {"id": "smollm2"}]}).encode()
    assert models_line(body, "smollm2", "U") == (True, "U is there and serves smollm2.")
    fine, line = models_line(body, "smolm2", "U")
    assert not fine and line.endswith("Did you mean 'smollm2'?")
    assert models_line(b"<html>", "m", "U")[0]
