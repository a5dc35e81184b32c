"""The command on the page and on the card makes the same selection again."""

import json
import shlex

import pytest

from pickwell.config import ScoreConfig, SelectConfig
from pickwell.selection_command import select_command
from pickwell.selection_files import open_selection

SCORE = ["--models", "none", "--metrics", "length,repetition", "--format", "llava", "--seed", "3"]


def shown(folder):
    """The two commands of the card, as typed words."""
    card = (folder / "README.md").read_text()
    lines = [line for line in card.splitlines() if line.startswith("pickwell s")]
    return [shlex.split(line)[1:] for line in lines]


@pytest.mark.parametrize(
    "options",
    [
        ["--method", "clusters", "--tempering", "0.5", "--floor", "words>=3", "--seed", "5"],
        ["--consensus", "repetition_loop,repetition", "--no-default-floors", "--method", "top"],
        ["--by", "words", "--random-seeds", "7", "--near-duplicate", "1.01"],
    ],
)
def test_typed_again_it_gives_the_same(options, llava, pickwell_here, tmp_path):
    assert pickwell_here("score", llava, "-o", "run", *SCORE, "--max-pixels", 9999).returncode == 0
    made = pickwell_here("select", "run", "-o", "picked", "-b", 9, *options)
    assert made.returncode == 0, made.stderr
    first = open_selection(tmp_path / "picked")
    score, select = shown(tmp_path / "picked")
    before = json.loads((tmp_path / "run" / "run.json").read_text())["options"]
    assert pickwell_here(*score).returncode == 0
    assert json.loads((tmp_path / "run" / "run.json").read_text())["options"] == before
    assert pickwell_here(*select).returncode == 0
    again = open_selection(tmp_path / "picked")
    assert again.table.equals(first.table) and again.parameters == first.parameters


def test_every_option_of_select_can_be_said(tmp_path):
    """A new option that the command forgets would make the page lie."""
    other = {
        "budget": 7, "by": "x", "method": "top", "clusters": 3, "clustering": "spectral",
        "space": "text", "floors": ["a<=1"], "default_floors": False, "quality": "folder",
        "consensus": ["a", "b"], "near_duplicate": 0.9, "tempering": 0.5, "random_seeds": 9,
        "copy_images": True, "add_to": "before", "seed": 4,
    }  # fmt: skip
    assert set(other) == set(SelectConfig.model_fields)
    plain = select_command(tmp_path, tmp_path, SelectConfig())
    for name, value in other.items():
        assert select_command(tmp_path, tmp_path, SelectConfig(**{name: value})) != plain, name
    where = {"cache", "shard_rows", "workers", "thumbnail"}  # these change no number
    where |= {"engine", "address", "worker_cpus", "worker_gpus", "max_workers"}
    assert set(ScoreConfig.model_fields) - where == {
        "models", "metrics", "format", "images", "card", "columns", "split", "instruction",
        "imports", "like", "chosen", "limit", "max_pixels", "seed", "subset", "streaming",
        "allow_urls", "allow_pickle", "trust_remote_code", "judge", "judge_options",
    }  # fmt: skip


def test_data_of_the_hub_are_named_at_their_commit(tmp_path):
    """What was scored is told again, not what the branch holds by then."""
    from types import SimpleNamespace

    from pickwell.selection_command import score_command

    options = ScoreConfig(subset="vqa", streaming=False, allow_urls=True).model_dump(mode="json")
    read = {"path": "hf://owner/name@main", "revision": "ab" * 20}
    run = SimpleNamespace(folder=tmp_path, manifest={"input": read, "options": options})
    words = score_command(run)
    assert f" hf://owner/name@{'ab' * 20} " in words and "--subset vqa" in words
    assert "--no-streaming" in words and "--allow-urls" in words


def test_models_are_told_with_their_commits_and_the_judge_with_its_rubric(tmp_path):
    from types import SimpleNamespace

    from pickwell.selection_command import score_command

    options = ScoreConfig(
        models="embedded,encoder=open_clip:hf-hub:a/b",
        allow_pickle=["a/b"],
        judge="openai:m@http://h/v1",
        judge_options={"rubric": "paper", "images": False},
    ).model_dump(mode="json")
    pinned = {"encoder": "open_clip:hf-hub:a/b@" + "0" * 40, "judge": "openai:m@http://h/v1"}
    manifest = {"input": {"path": "x.json"}, "options": options, "models": {"specs": pinned}}
    words = score_command(SimpleNamespace(folder=tmp_path, manifest=manifest))
    assert f"none,encoder=open_clip:hf-hub:a/b@{'0' * 40},judge=openai:m@http://h/v1" in words
    assert "--allow-pickle a/b" in words and "--rubric paper --no-judge-images" in words
