"""The metric `judge` in the engine: what failed for now is null, told of, and asked again."""

import json
from types import SimpleNamespace

import pytest
from PIL import Image

from data_cards import BadInputError, ImageRef, Sample, Turn
from scoring.engine import EngineOptions, make_metrics, score
from scoring.judge.base import Judgement, JudgeOptions, Usage
from scoring.metric import Batch, Models, metric_key
from scoring.metrics.judge import JudgeRatings
from scoring.models import models_from_spec


class Scripted:
    """Rates each pair by the length of its response; fails for the responses it is told to."""

    name = key = "scripted"

    def __init__(self, failing=(), never=(), rubric="aspects") -> None:
        self.options = JudgeOptions(rubric=rubric)
        self.usage = Usage()
        self.failing, self.never = set(failing), set(never)
        self.asked: list[str] = []
        self.sizes: list[list[tuple[int, int]]] = []

    def judge(self, items, on_result=lambda index, judgement: None):
        found = []
        for item in items:
            self.asked.append(item.response)
            self.sizes.append([picture.decoded().size for picture in item.pictures])
            judgement = Judgement(self.ratings(len(item.response) % 5 + 1), "expected")
            if item.response in self.failing:
                judgement = Judgement(reason="no server", retryable=True)
            if item.response in self.never:
                judgement = Judgement(reason="too long for the judge")
            self.usage.count(judgement)
            found.append(judgement)
        return found

    def ratings(self, value):
        if self.options.rubric == "paper":
            return {"rating": value * 10.0}
        names = ("relevance", "correctness", "completeness", "helpfulness")
        return dict.fromkeys(names, float(value))


def sample(number, response, image=None):
    refs = () if image is None else (ImageRef(image.name, path=image),)
    turns = (Turn("user", "What is it?"), Turn("assistant", response))
    return Sample(f"s{number}", turns, refs, "test", number, f"test:{number}")


def run(samples, folder, judge, shard_rows=3, **more):
    models = Models("none", judge=judge)
    metrics = make_metrics(models, ["repetition", "judge"])
    options = EngineOptions(folder.parent / "cache", shard_rows, **more)
    return score(samples, folder, metrics, models, options)


def test_rows_that_failed_for_now_are_null_counted_and_asked_again(tmp_path):
    texts = ["a", "bb", "ccc", "a", "dddd", "bb", "eeeee", "ff"]
    samples = [sample(n, text) for n, text in enumerate(texts)]
    samples.insert(2, Sample("broken", row=99, where="test:99", error="broken JSON"))
    judge = Scripted(failing={"bb", "eeeee"}, never={"dddd"})
    first = run(samples, tmp_path / "run", judge)
    by_text = dict(zip([s.response for s in samples], first.scores.to_pylist(), strict=True))
    assert by_text["a"]["judge_rating"] == 2 and by_text["ccc"]["judge_helpfulness"] == 4
    assert by_text["a"]["judge_method"] == "expected" and by_text["a"]["notes"] is None
    for text, reason in (("bb", "no server"), ("dddd", "too long for the judge")):
        row = by_text[text]
        assert row["judge_rating"] is None and row["judge_method"] is None
        assert row["notes"] == f"judge: {reason}" and row["status"] == "ok"
        assert row["repetition"] is not None
    manifest = json.loads((tmp_path / "run" / "run.json").read_text())
    assert manifest["unfinished"] == {"judge": 3}  # bb stands there twice
    assert manifest["judge"]["name"] == "scripted" and manifest["models"]["judge"] == "scripted"
    assert manifest["computed"]["judge"] == 4
    again = Scripted()
    second = run(samples, tmp_path / "run", again)
    assert sorted(again.asked) == ["bb", "eeeee"]
    assert second.manifest["unfinished"] == {}
    rows = second.scores.to_pylist()
    assert [row["judge_rating"] is None for row in rows] == [
        s.response in ("", "dddd") for s in samples
    ]
    third = Scripted()
    assert run(samples, tmp_path / "run", third).scores.equals(second.scores)
    assert not third.asked


@pytest.mark.parametrize("shard_rows", [1, 2, 100])
def test_shard_size_changes_nothing(tmp_path, shard_rows):
    texts = ["a", "bb", "ccc", "bb", "dddd", "ccc"]
    samples = [sample(n, text) for n, text in enumerate(texts)]
    wanted = run(samples, tmp_path / "x" / "run", Scripted(failing={"bb"})).scores
    other = run(samples, tmp_path / "y" / "run", Scripted(failing={"bb"}), shard_rows)
    assert wanted.equals(other.scores)


def test_pictures_can_be_opened_and_only_those_of_missing_rows(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (40, 30)).save(path)
    samples = [sample(0, "a", path), sample(1, "bb")]
    judge = Scripted()
    run(samples, tmp_path / "run", judge)
    assert judge.sizes == [[(40, 30)], []]


def test_a_picture_that_is_an_address_is_opened_with_the_runs_downloader(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (40, 30)).save(path)
    limits = SimpleNamespace(at_once=1)
    downloader = SimpleNamespace(limits=limits, fetch=lambda url, most: path.read_bytes())
    refs = (ImageRef("a.png", url="https://example.org/a.png"),)
    row = Sample("s0", (Turn("user", "q"), Turn("assistant", "a")), refs, "test", 0, "test:0")
    judge = Scripted()
    run([row], tmp_path / "run", judge, downloader=downloader)
    assert judge.sizes == [[(40, 30)]]


def test_the_papers_rubric_has_no_aspects_and_no_noise(tmp_path):
    (row,) = run([sample(0, "abc")], tmp_path / "run", Scripted(rubric="paper")).scores.to_pylist()
    assert row["judge_rating"] == 40 and row["judge_relevance"] is None and row["notes"] is None


def test_without_a_judge_the_metric_is_left_out_or_refused():
    assert "judge" not in [metric.spec.name for metric in make_metrics(Models("none"))]
    found = JudgeRatings(Models("none")).score(Batch(["q"], ["a"]))
    assert found.notes == ["no judge"] and found.columns["judge_rating"] == [None]
    with pytest.raises(BadInputError, match="needs a judge"):
        models_from_spec("none", ["judge"])


def test_the_judge_is_part_of_the_key_and_of_no_other_metrics_key():
    specs = ["openai:a@http://h/v1", "openai:b@http://h/v1"]
    made = [make_metrics(models_from_spec(f"none,judge={spec}")) for spec in specs]
    keys = [{metric.spec.name: metric_key(metric) for metric in metrics} for metrics in made]
    assert keys[0].pop("judge") != keys[1].pop("judge")
    assert keys[0] == keys[1]
    assert models_from_spec(f"none,judge={specs[0]}", ["length"]).judge is None
    with pytest.raises(BadInputError, match="no judge"):
        models_from_spec("none,judge=nonsense", ["length"])
