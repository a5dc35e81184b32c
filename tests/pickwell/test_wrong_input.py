"""A path that is not what was asked for is named, with the command to type instead."""

import pytest

from pickwell.wrong_input import wrong_input


@pytest.fixture
def made(llava, pickwell_here, tmp_path):
    words = ("--out", "run", "--models", "none", "--metrics", "length")
    assert pickwell_here("score", llava, *words).returncode == 0
    assert pickwell_here("select", "run", "--out", "picked", "--by", "words").returncode == 0
    (tmp_path / "all").mkdir()
    (tmp_path / "run").rename(tmp_path / "all" / "run")
    (tmp_path / "run").symlink_to(tmp_path / "all" / "run")
    return llava


CASES = [
    (["select", "data/pairs.jsonl"], "is data (llava: JSON Lines whose", "--out pairs-run"),
    (["explain", "data/pairs.jsonl", "p1"], "not a selection", "score data/pairs.jsonl"),
    (["report", "data/pairs.jsonl"], "not a selection", "pickwell select pairs-run"),
    (["explain", "run", "p1"], "run is a run, not a selection", "pickwell select run"),
    (["report", "run"], "run is a run, not a selection", "pickwell select run"),
    (["select", "picked"], "picked is a selection, not a run", "pickwell select run"),
    (["select", "run/scores.parquet"], "a file of the run run", "Give the folder: run"),
    (["report", "picked/report.html"], "a file of the selection", "Give the folder: picked"),
    (["report", "run/run.json"], "a file of the run run", "Name a selection folder"),
    (["select", "all"], "a folder around the run all/run", "Give that: all/run"),
    (["select", "words.txt"], "words.txt is a file, not a run", "Name a run folder"),
    (["select", "nowhere"], "nowhere holds no finished run", "Make one with"),
    (["report", "data/images"], "holds no selection", "Make one with"),
]


def test_what_it_is_and_what_to_type(made, pickwell_here, tmp_path):
    (tmp_path / "words.txt").write_text("words")
    for words, said, typed in CASES:
        out = ["--out", "new"] if words[0] == "select" else []
        result = pickwell_here(*words, *out)
        assert result.returncode == 2, words
        assert said in result.stderr and typed in result.stderr, result.stderr
        assert not (tmp_path / "new").exists()


def test_an_unfinished_run_is_not_taken_for_data(made, pickwell_here, tmp_path):
    (tmp_path / "run" / "run.json").unlink()
    result = pickwell_here("select", "run", "--out", "new")
    assert result.returncode == 2 and "goes on where it stopped" in result.stderr


def test_the_right_folders_pass(made, tmp_path):
    assert wrong_input(tmp_path / "run", "run") is None
    assert wrong_input(tmp_path / "picked", "selection") is None
