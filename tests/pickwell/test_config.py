from pathlib import Path

import pytest

from data_cards import BadInputError
from pickwell.commands.options import parse_columns
from pickwell.config import BenchmarkConfig, Config, SelectConfig
from pickwell.config_file import checked, load_config


def write(folder: Path, text: str) -> Path:
    path = folder / "pickwell.yaml"
    path.write_text(text)
    return path


def test_defaults_and_a_whole_file(tmp_path):
    assert load_config(None) == Config()
    assert load_config(write(tmp_path, "")) == Config()
    config = load_config(
        write(tmp_path, "score: {models: none, imports: [a.csv]}\nselect: {budget: 50, by: mine}\n")
    )
    assert config.score.models == "none" and config.score.imports == [Path("a.csv")]
    assert config.select.budget == 50 and config.select.by == "mine"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("select: {bugdet: 5}", "'select.bugdet'; did you mean 'budget'?"),
        ("selct: {budget: 5}", "'selct'; did you mean 'select'?"),
        ("score: {zzz: 1}", "known: engine, address"),
        ("select: {budget: 0}", "select.budget"),
        ("select: {space: audio}", "select.space"),
        ("select: [1]", "select: options and their values are expected here (given: [1])"),
        ("select:", "select: options and their values are expected here (given: nothing)"),
        ("{", "pickwell.yaml, line 1: not valid YAML: while parsing a flow node"),
        ("score:\n  models: none\n bad: [", "pickwell.yaml, line 3: not valid YAML"),
        ("score:\n  models: 'none\n", "while scanning a quoted scalar"),
        ("score:\n  models: a\0b\n", "line 2: not valid YAML: the character '\\x00'"),
        ("score: {columns: 'image=file,caption'}", "score.columns: 'caption' is not FIELD=COLUMN"),
        ("score: {columns: 7}", "score.columns"),
    ],
)
def test_a_wrong_file_is_said_plainly(text, message, tmp_path):
    with pytest.raises(BadInputError) as caught:
        load_config(write(tmp_path, text))
    assert message in str(caught.value) and "pickwell.yaml" in str(caught.value)
    assert "<unicode string>" not in str(caught.value)


def test_each_wrong_option_of_a_section_is_told(tmp_path):
    with pytest.raises(BadInputError) as caught:
        load_config(write(tmp_path, "prune: {keep: 2, prototypes: 0, kep: 3}"))
    for name in ("prune.keep", "prune.prototypes", "'prune.kep'"):
        assert name in caught.value.message


def test_the_remedy_is_the_help_of_the_command_in_question(tmp_path):
    for text, command in (
        ("score: {zzz: 1}", "score "),
        ("compare: {zzz: 1}", "compare "),
        ("zzz: 1", ""),
    ):
        with pytest.raises(BadInputError) as caught:
            load_config(write(tmp_path, text))
        assert caught.value.remedy == f"See `pickwell {command}--help`."
    with pytest.raises(BadInputError) as caught:
        checked(SelectConfig, {"budget": {"a": "b"}}, "options of select")
    assert caught.value.remedy == "See `pickwell select --help`."
    assert "{" not in caught.value.message  # what was given is told, not printed


def test_a_file_that_is_not_utf8(tmp_path):
    (tmp_path / "pickwell.yaml").write_bytes("score:\n  card: Bär".encode("latin-1"))
    with pytest.raises(BadInputError, match=r"pickwell\.yaml, line 2: .* not UTF-8"):
        load_config(tmp_path / "pickwell.yaml")
    (tmp_path / "pickwell.yaml").write_bytes("\ufeffscore:\n  card: Bär".encode())
    assert load_config(tmp_path / "pickwell.yaml").score.card == "Bär"


def test_metrics_as_on_the_command_line(tmp_path):
    config = load_config(write(tmp_path, "score: {metrics: 'alignment, length'}"))
    assert config.score.metrics == ["alignment", "length"]


def test_consensus_as_on_the_command_line(tmp_path):
    config = load_config(write(tmp_path, "select: {consensus: 'alignment, length'}"))
    assert config.select.consensus == ["alignment", "length"]


def test_options_of_a_method_stay_with_it():
    typed = "herding, d2:aum:gamma=0.3,neighbours=5 ,ccs"
    parted = ["herding", "d2:aum:gamma=0.3,neighbours=5", "ccs"]
    assert BenchmarkConfig(methods=typed).methods == parted
    assert BenchmarkConfig(methods=parted).methods == parted


def test_columns_as_on_the_command_line(tmp_path):
    mapping = {"image": "file", "response": "caption|text"}
    for text in ("'image=file, response = caption|text'", "{image: file, response: caption|text}"):
        assert load_config(write(tmp_path, f"score: {{columns: {text}}}")).score.columns == mapping
    assert parse_columns("image=file,response=caption|text") == mapping
    with pytest.raises(BadInputError, match="--columns: 'image' is not FIELD=COLUMN"):
        parse_columns("image")


def test_an_absent_file(tmp_path):
    with pytest.raises(BadInputError, match="cannot be read"):
        load_config(tmp_path / "absent.yaml")
