"""`pickwell score --judge` as a person types it, against a server that fails on purpose."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from data_cards.sample import ImageRef
from data_cards.source import open_source
from pickwell.like_job import open_like, score_like
from pickwell.scoring_job import score
from pickwell.warm_scorer import open_scorer
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


def test_a_judge_outlives_a_file_and_leaves_its_answers_where_told(
    llava, held_out, tmp_path, monkeypatch
):
    usual = tmp_path / "usual"
    monkeypatch.setenv("PICKWELL_CACHE", str(usual))
    lines = held_out.read_text().splitlines()
    first, second = held_out.with_name("a.jsonl"), held_out.with_name("b.jsonl")
    first.write_text("\n".join(lines[:3]))
    second.write_text("\n".join(lines[3:5]))
    like = {"like": tmp_path / "run", "cache": tmp_path / "other"}
    with FakeServer() as server:
        score(
            llava, tmp_path / "run", models="none", metrics=["repetition", "judge"], limit=5,
            judge=server.spec, judge_options={"price_in": 3}, cache=tmp_path / "cache",
            allow_urls=True,
        )  # fmt: skip
        opened = open_like(like["like"], cache=like["cache"])
        told = [
            score_like(data, tmp_path / data.stem, like, opened=opened).manifest["judge"]
            for data in (first, second)
        ]
        assert [(one["requests"], one["answered"]) for one in told] == [(3, 3), (2, 2)]
        assert told[0]["cost"] > told[1]["cost"] > 0
        score(second, tmp_path / "again", **like)
        assert (tmp_path / "other" / "judge-answers.sqlite").exists() and not usual.exists()

        samples = list(open_source(held_out).samples())[6:8]
        fetched = ImageRef("x", url="https://example.org/x.png")
        with open_scorer(like["like"], cache=tmp_path / "warm") as scorer:
            rows = scorer.score([samples[0], replace(samples[1], images=(fetched,))])
        assert rows[0]["judge_relevance"] is not None and "is a URL" in rows[1]["error"]
        assert not (tmp_path / "warm").exists() and not usual.exists()


def test_an_answer_that_the_reference_lacks_is_kept(llava, tmp_path):
    with FakeServer() as server:
        words = {"models": "none", "metrics": ["repetition", "judge"], "limit": 4}
        options = {"attempts": 1, "backoff": 0.01, "in_flight": 1}
        server.say = lambda body: (500, {"error": "a bad day"}) if server.requests > 2 else None
        first = score(
            llava, tmp_path / "run", judge=server.spec, judge_options=options,
            cache=tmp_path / "a", **words,
        )  # fmt: skip
        assert first.manifest["unfinished"]["judge"] == 2
        server.say = None
        run = score(llava, tmp_path / "new", like=tmp_path / "run", limit=4, cache=tmp_path / "b")
    assert None not in run.scores["judge_relevance"].to_pylist()
    assert first.scores["judge_relevance"].to_pylist().count(None) == 2


def test_what_is_wrong_is_said_in_one_line(llava, pickwell_here):
    score = ("score", llava, "-o", "run", *WORDS)
    down = pickwell_here(*score, "--judge", "openai:m@http://127.0.0.1:9/v1")
    assert down.returncode == 2 and "No server answers at http://127.0.0.1:9/v1" in down.stderr
    assert "Traceback" not in down.stderr and not Path("run").exists()
    assert pickwell_here(*score).returncode == 2  # --metrics judge without a judge
    wrong = pickwell_here(*score, "--judge", "opnai:m@http://127.0.0.1:9/v1")
    assert wrong.returncode == 2 and "Did you mean 'openai'" in wrong.stderr
    rubric = pickwell_here(*score, "--judge", "openai:m@http://h/v1", "--rubric", "best")
    assert rubric.returncode == 2 and "rubric" in rubric.stderr
