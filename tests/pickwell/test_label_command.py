"""``pickwell label`` as a person types it: designs, resume, shares, devices, files."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

METRICS = "length,image_quality,repetition,boilerplate"
SHORT = (
    *("--groups", 10, "--size", 6, "--fresh", 8, "--repeat-groups", 2, "--repeats", 2),
    *("--steps", 2, "--batch-size", 3, "--train", "projector", "--no-bf16"),
)


@pytest.fixture
def scored(llava, pickwell_here):
    done = pickwell_here("score", llava, "--out", "run", "--metrics", METRICS, "--models", "none")
    assert done.returncode == 0, done.stderr
    return "run"


@pytest.fixture
def label(scored, held_out, tiny, pickwell_here):
    def run(*words):
        short = SHORT[2:] if "influence" in words else SHORT  # which has no groups
        return pickwell_here("label", scored, "--target", held_out, "--model", tiny, *short, *words)

    return run


def outcomes(folder):
    return sorted((folder / "run" / "labels" / "outcomes").glob("*.arrow"))


@pytest.mark.slow
def test_subsets_give_labels_effects_and_their_worth(label, pickwell_here, tmp_path):
    done = label()
    assert done.returncode == 0, done.stderr
    assert "22 trainings of 2 steps of 3: 10 groups, 8 fresh subsets, 4 repeats" in done.stderr
    assert "cannot tell" not in done.stderr and "Each training sees" not in done.stderr
    assert "10 groups of 6 samples, 2 steps of 3 each." in done.stdout
    assert "from 2 of them trained 2 times each" in done.stdout
    assert "Worth of subsets" in done.stdout and "ranks nothing" in done.stdout
    folder = tmp_path / "run" / "labels" / "subsets"
    text = (folder / "label.json").read_text()
    assert "NaN" not in text
    record = json.loads(text)
    assert record["cost"]["labels"]["trainings"] == 10
    assert record["cost"]["fresh"]["trainings"] == 8
    assert record["cost"]["repeats"]["trainings"] == 4
    assert record["reliability"]["outcomes"] == 4 and record["ceiling"]["outcomes"] == 4
    assert set(record["worth"]) >= {"subsets", "consensus", "repetition"}
    effects = pq.read_table(folder / "effects.parquet").to_pylist()
    assert len(effects) == 60
    assert all(row["effect_low"] <= row["effect"] <= row["effect_high"] for row in effects)
    assert sum(row["groups"] for row in effects) == 10 * 6
    trainings = pq.read_table(folder / "trainings.parquet").to_pylist()
    purposes = [row["purpose"] for row in trainings]
    assert {name: purposes.count(name) for name in purposes} == {
        "labels": 10, "fresh": 8, "repeats": 4
    }  # fmt: skip
    assert all(row["outcome"] < 0 and row["samples"] == 6 for row in trainings)
    assert {row["seed"] for row in trainings if row["purpose"] == "repeats"} == {1}
    assert "whatever" not in (folder / "README.md").read_text()

    # the labels are what `fit` reads, shared samples and all
    fitted = pickwell_here(
        "fit", "run", "--labels", folder / "labels.json", "--regressors", "ridge",
        "--permutations", 19,
    )  # fmt: skip
    assert fitted.returncode == 0, fitted.stderr
    assert "The groups share samples" in " ".join(fitted.stderr.split())

    # the same again trains nothing and says the same
    before = outcomes(tmp_path)
    again = label()
    assert again.stdout == done.stdout and outcomes(tmp_path) == before
    assert "kept from before" not in done.stderr
    assert "22 of them are kept from before: 0 remain." in again.stderr
    # more groups train only what is new
    more = label("--groups", 12, "--out", tmp_path / "twelve")
    assert more.returncode == 0, more.stderr
    assert len(outcomes(tmp_path)) - len(before) <= 4  # two groups, and other ones repeated


def test_clusters_are_disjoint_and_of_equal_size(label, tmp_path):
    done = label("--design", "clusters")
    assert done.returncode == 2 and "needs image vectors" in done.stderr
    vectors = np.random.default_rng(0).standard_normal((60, 8))
    place = tmp_path / "run" / "embeddings"
    place.mkdir(exist_ok=True)
    np.save(place / "image.npy", (vectors / np.linalg.norm(vectors, axis=1)[:, None]).astype("f2"))
    done = label("--design", "clusters", "--fresh", 0)
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / "run/labels/clusters/labels.json").read_text())
    assert content["overlapping"] is False
    members = [id_ for group in content["groups"] for id_ in group["ids"]]
    assert [len(group["ids"]) for group in content["groups"]] == [6] * 10
    assert len(set(members)) == 60
    assert "cannot tell what a sample has of its own" in " ".join(done.stdout.split())
    record = json.loads((tmp_path / "run/labels/clusters/label.json").read_text())
    assert record["datamodel"]["own_known"] is False and record["datamodel"]["by_membership"] == 0


def test_designed_subsets_say_what_sets_them_apart(label, tmp_path, pickwell_here):
    missing = pickwell_here("fit", "run", "--labels", "run/labels/subsets/labels.json")
    assert missing.returncode == 2 and "holds trainings" not in missing.stderr
    done = label("--draw", "designed", "--fresh", 0, "--repeat-groups", 0, "--steps", 1)
    assert done.returncode == 0, done.stderr
    assert "0 fresh subsets cannot tell what the labels are worth" in done.stderr
    assert "Each training sees 3 of its group's 6 samples" in done.stderr
    assert "not known (repeat two groups at least)" in done.stdout
    content = json.loads((tmp_path / "run/labels/subsets/labels.json").read_text())
    assert all("in part" in group["about"] for group in content["groups"])
    (tmp_path / "run/labels/subsets/labels.json").unlink()
    missing = pickwell_here("fit", "run", "--labels", "run/labels/subsets/labels.json")
    assert missing.returncode == 2 and "a labelling that is not finished" in missing.stderr


def test_influence_needs_no_group(label, tmp_path, pickwell_here):
    done = label("--design", "influence", "--fresh", 4)
    assert done.returncode == 0, done.stderr
    assert "4 fresh subsets" in done.stderr and "0 groups" not in done.stderr
    assert "a warm-up of 2 steps on 60 samples" in " ".join(done.stderr.split())
    folder = tmp_path / "run" / "labels" / "influence"
    rows = (folder / "labels.csv").read_text().splitlines()
    assert rows[0] == "id,label" and len(rows) == 61
    record = json.loads((folder / "label.json").read_text())
    assert -1 <= record["retest"]["correlation"] <= 1 and record["retest"]["samples"] == 60
    cost = record["cost"]
    assert cost["retest"]["passes"] == cost["labels"]["passes"] > 60
    assert cost["retest"]["seconds"] == record["retest"]["seconds"] > 0
    card = (folder / "README.md").read_text()
    assert "cosine" in card
    told = f"Reliability of influence: rank correlation {record['retest']['correlation']:+.2f} over"
    paid = f"to know how reliable it is: 1 training, {cost['retest']['seconds']:,.0f} s"
    for said in (done.stdout, card):
        assert told in said and paid in said
    assert "60 samples, gradients after 2 steps of warm-up" in done.stdout
    once = label("--design", "influence", "--fresh", 0, "--repeats", 1)
    assert once.returncode == 0, once.stderr
    assert "0 trainings" not in once.stderr and "under another seed" not in once.stderr
    assert "Reliability of influence: not known" in once.stdout
    assert json.loads((folder / "label.json").read_text())["retest"] is None


@pytest.mark.slow
def test_shares_do_a_part_each_and_the_last_makes_the_labels(label, tmp_path):
    whole = label("--out", tmp_path / "elsewhere")
    first = label("--share", "1/2", "--seed", 5)
    assert "trainings are still missing" in first.stdout
    assert not (tmp_path / "run" / "labels" / "subsets").exists()
    second = label("--share", "2/2", "--seed", 5)
    assert "All trainings are done" in second.stdout
    third = label("--seed", 5)
    assert "Worth of subsets" in third.stdout
    assert whole.returncode == third.returncode == 0
    assert label("--share", "3/2").returncode == 2


@pytest.mark.slow
def test_two_workers_find_what_one_finds(label, tmp_path):
    done = label("--devices", "cpu,cpu", "--out", tmp_path / "two")
    assert done.returncode == 0, done.stderr
    two = pq.read_table(tmp_path / "two" / "effects.parquet")
    for path in outcomes(tmp_path):
        path.unlink()
    assert label("--out", tmp_path / "one").returncode == 0
    one = pq.read_table(tmp_path / "one" / "effects.parquet")
    assert one["effect"].to_numpy() == pytest.approx(two["effect"].to_numpy(), abs=1e-4)
    failed = label("--devices", "cpu,cpu", "--steps", 3, "--model", tmp_path / "absent")
    assert failed.returncode == 2


def test_bad_targets_and_folders_are_named(label, scored, llava, held_out, pickwell_here, tmp_path):
    base = ("label", scored, *SHORT)
    assert "does not exist" in pickwell_here(*base, "--target", "nowhere.json").stderr
    done = label("--size", 61)
    assert done.returncode == 2 and "do not give 10 groups of 61" in done.stderr
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    done = label("--out", tmp_path / "mine")
    assert done.returncode == 2 and "holds no labels" in done.stderr
    same = pickwell_here(*base, "--target", llava)
    assert same.returncode == 2 and "stand in the pool too" in same.stderr
    aimless = label("--design", "influence", "--groups", 12)
    assert aimless.returncode == 2 and "Influence has no groups" in aimless.stderr
    drawn = label("--design", "clusters", "--draw", "designed")
    assert drawn.returncode == 2 and "clusters are not" in drawn.stderr
    (tmp_path / "options.yaml").write_text("label:\n  target: held.json\n")
    typed = label("--config", tmp_path / "options.yaml")
    assert typed.returncode == 2 and "it is typed with the command" in typed.stderr
