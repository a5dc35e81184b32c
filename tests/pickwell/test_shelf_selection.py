"""`pickwell select --diversity METHOD:OPTION=VALUE`: kept, told and typed again."""

import json
import shlex

import pytest

from pickwell.scoring_job import score
from pickwell.selection_files import open_selection


@pytest.fixture
def run(llava, tmp_path):
    """Sixty pairs with their vectors."""
    score(
        llava,
        tmp_path / "run",
        metrics=["length", "repetition", "embedding"],
        cache=tmp_path / "cache",
    )
    return tmp_path / "run"


def test_options_are_read_kept_and_typed_again(run, pickwell_here, tmp_path):
    words = ("select", "run", "-b", 9, "--diversity")
    done = pickwell_here(*words, "graph-cut:weight=9,neighbours=4", "-o", "a")
    assert done.returncode == 0, done.stderr
    made = open_selection(tmp_path / "a")
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert manifest["options"]["method"] == "graph-cut:weight=9,neighbours=4"
    assert manifest["parameters"]["options"] == {
        "weight": 9.0, "greedy": "naive", "epsilon": 0.01, "neighbours": 4
    }  # fmt: skip
    assert pickwell_here(*words, "graph-cut", "-o", "plain").returncode == 0
    assert open_selection(tmp_path / "plain").ids != made.ids
    # as a file has it
    (tmp_path / "c.yaml").write_text(
        "select:\n  budget: 9\n  method: graph-cut:weight=9,neighbours=4\n"
    )
    assert pickwell_here("select", "run", "-o", "b", "--config", "c.yaml").returncode == 0
    assert open_selection(tmp_path / "b").ids == made.ids
    # as the card has it
    lines = (tmp_path / "a" / "README.md").read_text().splitlines()
    line = next(line for line in lines if line.startswith("pickwell select"))
    assert pickwell_here(*shlex.split(line)[1:]).returncode == 0
    assert open_selection(tmp_path / "a").table.equals(made.table)
    # and what is asked of it afterwards
    told = pickwell_here("explain", "a", made.ids[0])
    assert told.returncode == 0 and "graph-cut: pick 1 of 9; adds" in told.stdout
    assert pickwell_here("report", "a").returncode == 0
    page = (tmp_path / "a" / "report.html").read_text()
    assert "graph-cut:weight=9,neighbours=4, budget 9" in page


def test_what_cannot_be_is_refused_before_anything_is_written(run, pickwell_here, tmp_path):
    for method, words in (
        ("ccs", "ranks by how hard samples are"),
        ("facility-location:greedy=stochstic", "Did you mean stochastic?"),
        ("semdedup:clusters=0", "clusters is 0"),
    ):
        done = pickwell_here("select", "run", "-o", "x", "--diversity", method)
        assert done.returncode == 2 and words in done.stderr
        assert not (tmp_path / "x").exists()
