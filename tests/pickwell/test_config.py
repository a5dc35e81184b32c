from pathlib import Path

import pytest

from data_cards import BadInputError
from pickwell.config import Config, load_config


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
        ("score: {zzz: 1}", "known: models"),
        ("select: {budget: 0}", "select.budget"),
        ("select: {space: audio}", "select.space"),
        ("select: [1]", "select"),
        ("{", "not valid YAML"),
    ],
)
def test_a_wrong_file_is_said_plainly(text, message, tmp_path):
    with pytest.raises(BadInputError) as caught:
        load_config(write(tmp_path, text))
    assert message in str(caught.value) and "pickwell.yaml" in str(caught.value)


def test_metrics_as_on_the_command_line(tmp_path):
    config = load_config(write(tmp_path, "score: {metrics: 'alignment, length'}"))
    assert config.score.metrics == ["alignment", "length"]


def test_an_absent_file(tmp_path):
    with pytest.raises(BadInputError, match="cannot be read"):
        load_config(tmp_path / "absent.yaml")
