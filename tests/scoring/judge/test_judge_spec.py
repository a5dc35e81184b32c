import pytest

from data_cards import BadInputError
from scoring.judge.base import JudgeOptions
from scoring.judge.spec import JudgeSpec, judge_from_spec, parse_judge_spec


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("openai:m@http://h:8000/v1", JudgeSpec("openai", "m", "http://h:8000/v1")),
        ("openai:Q/m@2@https://h/x/v1/", JudgeSpec("openai", "Q/m@2", "https://h/x/v1")),
        ("vllm:Qwen/Qwen3", JudgeSpec("vllm", "Qwen/Qwen3")),
        ("vllm:Qwen/Qwen3@abc", JudgeSpec("vllm", "Qwen/Qwen3", revision="abc")),
    ],
)
def test_specs(text, spec):
    assert parse_judge_spec(text) == spec
    assert parse_judge_spec(str(spec)) == spec


def test_a_folder_may_hold_an_at_sign(tmp_path):
    folder = tmp_path / "a@b"
    folder.mkdir()
    assert parse_judge_spec(f"vllm:{folder}") == JudgeSpec("vllm", str(folder))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no judge"),
        ("gpt-4", "no judge"),
        ("opnai:m@http://h/v1", "Did you mean 'openai'"),
        ("openai:", "no judge"),
        ("openai:m", "does not say where"),
        ("openai:@http://h/v1", "does not say where"),
        ("openai:m@h:8000/v1", "no address"),
        ("openai:m@ftp://h/v1", "no address"),
        ("openai:m@http://h:port/v1", "wrong address"),
        ("openai:m@http://h:8000", "http://h:8000/v1"),
        ("openai:m@http://h/v1?key=1", "with \\? or #"),
        ("vllm:m@", "no model or no revision"),
    ],
)
def test_wrong_specs_say_what_is_wrong(text, words):
    with pytest.raises(BadInputError, match=words):
        parse_judge_spec(text)


def test_a_password_in_the_address_is_refused_and_not_repeated():
    with pytest.raises(BadInputError, match="PICKWELL_JUDGE_API_KEY") as raised:
        parse_judge_spec("openai:m@http://me:hunter2@h/v1")
    assert "hunter2" not in str(raised.value)
    for wrong in ("openai:m@http://me:hunter2@h:port/v1", "openai:m@http://me:hunter2/3@h/v1"):
        with pytest.raises(BadInputError, match="wrong address") as raised:
            parse_judge_spec(wrong)
        assert "hunter2" not in str(raised.value)


def test_making_a_judge_touches_nothing(tmp_path):
    for spec in ("openai:m@http://127.0.0.1:9/v1", f"vllm:no/such@{'ab' * 20}"):
        judge = judge_from_spec(spec, JudgeOptions(), tmp_path)
        assert judge.name == spec and len(judge.key) == 16
    assert not list(tmp_path.iterdir())


def test_code_of_a_model_is_never_run():
    with pytest.raises(BadInputError, match="trust_remote_code"):
        judge_from_spec("vllm:m", JudgeOptions(engine={"trust_remote_code": True}))


def test_vllm_says_when_it_is_not_there():
    judge = judge_from_spec("vllm:m")
    fine, line = judge.check()
    if not fine:
        assert "vllm" in line and "\n" not in line
