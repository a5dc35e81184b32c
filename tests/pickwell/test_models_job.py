"""What `pickwell models` says of each role, and which judge a run asks."""

from types import SimpleNamespace

import pytest

import pickwell
from pickwell import models_job
from pickwell.config import ScoreConfig
from pickwell.models_job import IMAGES, check_models
from tests.scoring.judge.fake_server import FakeServer

DEAD = "openai:m@http://127.0.0.1:9/v1"


def test_a_password_is_not_repeated():
    (found,) = check_models("openai:m@https://me:hunter2@h/v1")
    assert found.problem and "hunter2" not in repr(found) and "openai:m@" in found.said


def test_a_judge_is_tried_on_one_pair():
    with FakeServer() as server:
        (found,) = check_models(server.spec, load=True)
        assert "tried in" in found.said and "rating" in found.said and server.requests == 1


def test_a_model_that_gives_no_number_says_why():
    model = SimpleNamespace(rewards=lambda *_: [SimpleNamespace(value=None, reason="too long")])
    assert models_job._tried("reward", model).endswith("no number (too long)")


def test_an_encoder_of_prune_is_tried_on_one_picture(tmp_path):
    timm = pytest.importorskip("timm")
    timm.models.save_for_hf(timm.create_model("test_vit"), tmp_path, safe_serialization=True)
    (found,) = check_models(f"timm:{tmp_path}", load=True)
    assert found.role == IMAGES and found.said.endswith("64 dimensions") and not found.problem
    (found,) = check_models("timm:resnet5")
    assert "knows no model" in found.problem and "resnet50" in found.remedy


@pytest.mark.parametrize("typed", [{"models": "none,judge={}"}, {"judge": "{}"}])
def test_what_is_typed_goes_over_the_file(llava, tmp_path, typed):
    with FakeServer() as server:
        words = {name: text.format(server.spec) for name, text in typed.items()}
        config = ScoreConfig(models="none", judge=DEAD, metrics=["judge"], cache=tmp_path / "c")
        run = pickwell.score(llava, tmp_path / "run", config=config, limit=2, **words)
        assert server.requests == 2
        assert run.manifest["models"]["specs"] == {"judge": server.spec}


def test_no_judge_is_typed_like_no_reward_model(llava, tmp_path):
    config = ScoreConfig(models="none", judge=DEAD, cache=tmp_path / "c")
    run = pickwell.score(llava, tmp_path / "run", config=config, limit=2, judge="none")
    assert "judge" not in run.manifest["metrics"]
