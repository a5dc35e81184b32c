"""``pickwell fit`` and ``select --quality`` as a person types them."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import pickwell as api
from pickwell.fit_job import _doubt
from pickwell.selection_files import open_selection
from scoring.quality.model import QualityModel

METRICS = "length,repetition,boilerplate,image_quality"


@pytest.fixture
def run(llava, pickwell_here, tmp_path) -> Path:
    done = pickwell_here("score", llava, "--out", "run", "--metrics", METRICS)
    assert done.returncode == 0, done.stderr
    return tmp_path / "run"


def entropy(run: Path) -> dict[str, float]:
    table = pq.read_table(run / "scores.parquet")
    return dict(zip(table["id"].to_pylist(), table["image_entropy"].to_pylist(), strict=True))


def write_labels(run: Path, how, name: str = "labels.csv") -> Path:
    path = run.parent / name
    lines = [f"{id_},{how(value)}" for id_, value in entropy(run).items()]
    path.write_text("id,label\n" + "\n".join(lines) + "\n")
    return path


def quickly(*words):
    return (*words, "--regressors", "ridge", "--folds", 5, "--permutations", 99)


def test_a_planted_quality_is_fitted_saved_and_used(run, pickwell_here):
    rng = np.random.default_rng(0)
    labels = write_labels(run, lambda value: -3 * value + 0.01 * rng.normal())
    done = pickwell_here("fit", *quickly(run, "--labels", labels))
    assert done.returncode == 0, done.stderr
    assert "ridge predicts the 60 sample labels better than their mean" in done.stdout
    assert "mean (the bar)" in done.stdout
    model = QualityModel.load(run / "quality")
    assert model.kind == "ridge" and "image_entropy" in model.columns
    assert set(model.fitted_on["metrics"]) == set(model.columns)
    assert "boilerplate" not in model.columns  # depends on the company
    chosen = pickwell_here("select", "run", "--out", "a", "-b", 10, "--method", "top")
    assert chosen.returncode == 0, chosen.stderr
    selection = open_selection(run.parent / "a")
    assert selection.parameters["quality"].startswith("ridge (")
    assert selection.parameters["quality_columns"] == list(model.columns)
    value = entropy(run)
    worst = sorted(value, key=value.get)
    assert len(set(selection.ids) & set(worst[:12])) >= 9  # near-duplicates may step aside
    manifest = json.loads((run.parent / "a" / "manifest.json").read_text())
    assert manifest["options"]["quality"] == str(Path("run") / "quality")
    for words, source in (
        (("--quality", "consensus"), "consensus"),
        (("--by", "image_entropy"), "image_entropy"),
        (("--by", "image_entropy", "--quality", run / "quality"), "image_entropy"),
    ):
        pickwell_here("select", "run", "--out", "b", "-b", 10, "--method", "top", *words)
        other = open_selection(run.parent / "b")
        assert other.parameters["quality"] == source
        assert other.ids != selection.ids


def test_labels_of_chance_keep_the_consensus(run, pickwell_here):
    rng = np.random.default_rng(1)
    before = pickwell_here("select", "run", "--out", "a", "-b", 10)
    labels = write_labels(run, lambda value: rng.normal())
    done = pickwell_here("fit", *quickly(run, "--labels", labels))
    assert done.returncode == 0 and "Nothing beat the mean" in done.stdout
    assert "consensus is kept" in done.stdout
    assert QualityModel.load(run / "quality").kind == "consensus"
    pickwell_here("select", "run", "--out", "b", "-b", 10)
    one, two = (open_selection(run.parent / n) for n in "ab")
    assert before.returncode == 0 and one.ids == two.ids
    assert two.parameters["quality"] == "consensus"
    said = pickwell_here("select", "run", "--out", "c", "-b", 10, "--quality", run / "quality")
    assert said.returncode == 0, said.stderr
    three = open_selection(run.parent / "c")
    quality = {
        name: dict(zip(t.table["id"].to_pylist(), t.table["quality"].to_pylist(), strict=True))
        for name, t in (("pool", two), ("model", three))
    }
    for id_, value in quality["pool"].items():
        if value is not None:
            assert quality["model"][id_] == pytest.approx(value, abs=1e-6)


def test_groups_in_a_second_file_and_the_python_functions(run, tmp_path):
    rng = np.random.default_rng(2)
    value = entropy(run)
    order = sorted(value, key=value.get)
    members = {id_: f"g{k // 4}" for k, id_ in enumerate(order)}
    groups = tmp_path / "groups.csv"
    groups.write_text("id,group\n" + "\n".join(f"{i},{g}" for i, g in members.items()))
    labels = tmp_path / "labels.csv"
    means = {g: np.mean([value[i] for i in members if members[i] == g]) for g in members.values()}
    labels.write_text(
        "group,label\n" + "\n".join(f"{g},{2 * m + 0.01 * rng.normal()}" for g, m in means.items())
    )
    result = api.fit(
        run, labels, tmp_path / "q", groups=groups, regressors=["ridge"], permutations=99
    )
    assert result.model.kind == "ridge" and result.report["labels"]["unit"] == "group"
    selection = api.select(
        run, tmp_path / "s", budget=10, quality=str(tmp_path / "q"), method="top"
    )
    assert len(set(selection.ids) & set(order[-12:])) >= 9


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id,label\n" + "\n".join(f"p{k},2" for k in range(60)), "All 60 labels are equal"),
        ("id,label\n" + "\n".join(f"p{k},{k}" for k in range(5)), "5 samples with a label"),
        ("id,label\np1,nan\np2,1\n", "is nan"),
        ("id,label\nq1,3\np2,1\n", "'q1'"),
        ("id,label\np1,3\np1,1\n", "occurs twice"),
        ("group,label\ng1,3\ng2,1\n", "nothing says which samples"),
    ],
)
def test_labels_that_cannot_be_used_end_with_2_and_leave_nothing(run, pickwell_here, text, told):
    path = run.parent / "bad.csv"
    path.write_text(text)
    done = pickwell_here("fit", run, "--labels", path)
    assert done.returncode == 2 and told in done.stderr
    assert not (run / "quality").exists()


def test_a_plain_table_can_be_fitted(tmp_path, pickwell_here):
    rng = np.random.default_rng(3)
    rows = ["key,part,clip,length,spectral_cluster"]
    labels = {}
    for g in range(12):
        level = rng.normal()
        labels[g] = level
        rows += [f"k{g}_{k},{g},{level + rng.normal() * 0.1},{rng.normal()},{g}" for k in range(8)]
    (tmp_path / "table.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "labels.json").write_text(json.dumps([labels[g] for g in range(12)]))
    words = ("table.csv", "--labels", "labels.json", "--id", "key", "--group", "part")
    nowhere = pickwell_here("fit", *words)
    assert nowhere.returncode == 2 and "--out" in nowhere.stderr
    wrong = pickwell_here("fit", "table.csv", "--labels", "labels.json", "--out", "q")
    assert wrong.returncode == 2 and "no column 'id'" in wrong.stderr and "--id" in wrong.stderr
    done = pickwell_here("fit", *words, "--out", "q", "--regressors", "ridge")
    assert done.returncode == 0, done.stderr
    model = QualityModel.load(tmp_path / "q")
    assert model.kind == "ridge" and model.columns == ("clip", "length")


def test_a_quality_fitted_on_other_numbers_is_refused(run, pickwell_here):
    rng = np.random.default_rng(4)
    labels = write_labels(run, lambda value: value + 0.01 * rng.normal())
    assert pickwell_here("fit", *quickly(run, "--labels", labels)).returncode == 0
    path = run / "quality" / "quality.json"
    content = json.loads(path.read_text())
    content["fitted_on"]["metrics"]["image_entropy"] = "0" * 16
    path.write_text(json.dumps(content))
    done = pickwell_here("select", "run", "--out", "a", "-b", 10)
    assert done.returncode == 2 and "another 'image_entropy'" in done.stderr
    other = pickwell_here("select", "run", "--out", "a", "-b", 9, "--quality", "consensus")
    assert other.returncode == 0, other.stderr
    missing = pickwell_here("select", "run", "--out", "a", "-b", 9, "--quality", "nowhere")
    assert missing.returncode == 2 and "no quality model" in missing.stderr


def test_samples_on_one_picture_are_held_out_together(llava, pickwell_here, tmp_path):
    """Three questions on each picture, marked alike: a twin would give the mark away."""
    records = [json.loads(line) for line in llava.read_text().splitlines()]
    for number, record in enumerate(records):
        record["image"] = f"images/{number // 3}.png"
    llava.write_text("".join(json.dumps(record) + "\n" for record in records))
    done = pickwell_here("score", llava, "--out", "run", "--metrics", METRICS)
    assert done.returncode == 0, done.stderr
    marks = np.random.default_rng(6).normal(size=20)
    lines = [f"{record['id']},{marks[number // 3]}" for number, record in enumerate(records)]
    path = tmp_path / "labels.csv"
    path.write_text("id,label\n" + "\n".join(lines))
    done = pickwell_here("fit", "run", "--labels", path, "--regressors", "gbm")
    assert done.returncode == 0, done.stderr
    assert "60 of the labelled samples share a picture" in done.stderr
    assert "leave one group out" in done.stdout and "Nothing beat the mean" in done.stdout
    assert QualityModel.load(tmp_path / "run" / "quality").worth["labels"]["blocks"] == 20
    lines = [f"{line},{number}" for number, line in enumerate(lines)]
    path.write_text("id,label,group\n" + "\n".join(lines))
    done = pickwell_here("fit", "run", "--labels", path, "--regressors", "gbm")
    # the group that is given says that they are apart, and the marks are given away
    assert "share a picture" not in done.stderr and "gbm predicts" in done.stdout


def test_rows_outside_the_fit_are_said(run, pickwell_here):
    value = entropy(run)
    inner = sorted(value, key=value.get)[10:50]
    path = run.parent / "inner.csv"
    rng = np.random.default_rng(5)
    lines = [f"{id_},{value[id_] + 0.001 * rng.normal()}" for id_ in inner]
    path.write_text("id,label\n" + "\n".join(lines))
    words = ("--features", "image_entropy,words")
    assert pickwell_here("fit", *quickly(run, "--labels", path, *words)).returncode == 0
    done = pickwell_here("select", "run", "--out", "a", "-b", 10)
    assert done.returncode == 0 and "outside the range" in done.stderr


WORTHY = {"score": 0.5, "low": 0.2, "high": 0.7}


@pytest.mark.parametrize(
    ("worth", "r2_low", "unpredictable", "doubted", "explained"),
    [
        (WORTHY, 0.3, False, False, False),
        (WORTHY, 0.3, True, False, True),
        (WORTHY | {"low": -0.1}, -0.2, True, True, False),
        (WORTHY | {"low": None}, None, False, True, False),
        (None, 0.1, True, True, True),
    ],
)
def test_what_label_doubted_is_said_again(
    tmp_path, worth, r2_low, unpredictable, doubted, explained
):
    told = {
        "design": "subsets",
        "worth": {} if worth is None else {"subsets": worth},
        "datamodel": {"r2_low": r2_low},
    }
    (tmp_path / "label.json").write_text(json.dumps(told))
    said = _doubt(tmp_path / "labels.json", unpredictable)
    assert ("do not build on them" in said) == doubted
    assert ("is no contradiction" in said) == explained
    assert _doubt(tmp_path, unpredictable) == said


@pytest.mark.parametrize("text", [None, "{", "[]", '{"worth": {}}'])
def test_other_labels_are_not_doubted(tmp_path, text):
    if text is not None:
        (tmp_path / "label.json").write_text(text)
    assert _doubt(tmp_path / "labels.csv", True) == ""
