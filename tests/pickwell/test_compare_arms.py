"""What choosing took: known for every arm whose parts were timed, else not known."""

import json
from dataclasses import replace

import pytest

from pickwell.compare_arms import Arms
from pickwell.config import CompareConfig
from pickwell.scoring_job import open_run
from pickwell.training_pool import training_pool

NAMES = ("selected", "longest", "clusters-only", "random-above-floors", "picked")


@pytest.fixture
def pool(llava, pickwell_here, tmp_path, monkeypatch):
    words = ("--out", "run", "--metrics", "length,repetition", "--models", "none")
    assert pickwell_here("score", llava, *words).returncode == 0
    picked = pickwell_here("select", "run", "-o", "picked", "-b", 8, "--by", "words")
    assert picked.returncode == 0, picked.stderr
    monkeypatch.chdir(tmp_path)
    return training_pool(open_run("run"))


def seconds(pool, **manifest):
    run = replace(pool.run, manifest=pool.run.manifest | manifest)
    arms = Arms(replace(pool, run=run), CompareConfig(), 8).make(NAMES)
    return {arm.name: arm.seconds for arm in arms}


def test_every_arm_is_timed(pool):
    computed = {"length": 60, "repetition": 60}
    stages = {"length": 5.0, "repetition": 90.0}
    found = seconds(pool, computed=computed, seconds=100.0, seconds_by_stage=stages)
    assert found["random"] == 0 and 5 <= found["longest"] < 10
    for name in ("selected", "clusters-only", "random-above-floors", "picked"):
        assert 100 <= found[name] < 110, name


def test_what_came_from_the_cache_is_not_known(pool):
    found = seconds(pool, computed={"length": 60, "repetition": 0}, seconds=100.0)
    assert {name for name, took in found.items() if took is None} == set(NAMES)


@pytest.mark.parametrize("change", [{"seconds": None}, {"run_sha256": "another run"}])
def test_a_folder_that_was_not_timed_on_this_run_is_not_known(pool, change, tmp_path):
    path = tmp_path / "picked" / "manifest.json"
    told = json.loads(path.read_text())
    assert told["seconds"] >= 0
    path.write_text(json.dumps(told | change))
    found = seconds(pool, computed={"length": 60}, seconds=100.0)
    assert found["picked"] is None and found["selected"] is not None
