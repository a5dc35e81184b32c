"""`pickwell score --judge` as a person types it, against a server that fails on purpose."""

import json

import pytest

from tests.scoring.judge.fake_server import FakeServer

WORDS = ("--models", "none", "--metrics", "repetition,judge")


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "pickwell.yaml"
    path.write_text("score: {judge_options: {backoff: 0.01, attempts: 2, price_in: 3}}\n")
    return path


def test_fails_for_some_then_finishes_with_the_same_command(llava, pickwell_here, tmp_path, config):
    with FakeServer(trouble=0.5, kinds=("500", "drop", "broken"), seed=1) as server:
        words = ("score", llava, "-o", "run", *WORDS, "--judge", server.spec, "-c", config)
        first = pickwell_here(*words, "--in-flight", 2)
        assert first.returncode == 0, first.stderr
        manifest = json.loads((tmp_path / "run" / "run.json").read_text())
        failed = manifest["unfinished"]["judge"]
        assert 0 < failed < 60
        assert f"Type the same command again to judge the {failed} that failed." in first.stdout
        assert manifest["judge"]["failed"] == failed and manifest["judge"]["cost"] > 0
        assert manifest["options"]["judge_options"]["in_flight"] == 2
        assert manifest["options"]["judge_options"]["attempts"] == 2
        server.trouble = 0.0
        second = pickwell_here(*words, "--in-flight", 2)
        assert second.returncode == 0 and "Type the same" not in second.stdout
        assert f"{failed} judged" in second.stdout
        assert server.answered.total() == len(server.answered) == 60
        picture = server.bodies[0]["messages"][0]["content"][1]
        assert picture["image_url"]["url"].startswith("data:image/jpeg;base64,")
        blind = pickwell_here(*words, "--no-judge-images", "--rubric", "aspects")
        assert blind.returncode == 0
        assert isinstance(server.bodies[-1]["messages"][0]["content"], str)


def test_a_later_batch_is_judged_alike_where_the_judge_is_now(
    llava, held_out, pickwell_here, tmp_path, config
):
    with FakeServer() as server:
        words = ("score", llava, "-o", "run", *WORDS, "--judge", server.spec, "-c", config)
        assert pickwell_here(*words).returncode == 0
    with FakeServer() as moved:
        batch = ("score", held_out, "-o", "batch", "--like", "run", "--judge", moved.spec)
        done = pickwell_here(*batch)
        assert done.returncode == 0, done.stderr
        assert moved.answered.total() == 12
        other = pickwell_here(*batch, "--rubric", "paper")
        assert other.returncode == 2 and "other metrics judge" in other.stderr


def test_what_is_wrong_is_said_in_one_line(llava, pickwell_here):
    score = ("score", llava, "-o", "run", *WORDS)
    down = pickwell_here(*score, "--judge", "openai:m@http://127.0.0.1:9/v1")
    assert down.returncode == 2 and "No server answers at http://127.0.0.1:9/v1" in down.stderr
    assert "Traceback" not in down.stderr
    assert pickwell_here(*score).returncode == 2  # --metrics judge without a judge
    wrong = pickwell_here(*score, "--judge", "opnai:m@http://127.0.0.1:9/v1")
    assert wrong.returncode == 2 and "Did you mean 'openai'" in wrong.stderr
    rubric = pickwell_here(*score, "--judge", "openai:m@http://h/v1", "--rubric", "best")
    assert rubric.returncode == 2 and "rubric" in rubric.stderr
