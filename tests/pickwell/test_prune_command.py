"""`pickwell prune` as a person types it, on pictures made here."""

import hashlib
import json
import random
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageDraw

from data_cards import BadInputError
from pickwell.config import PruneConfig
from pickwell.prune_corpus import Corpus
from pickwell.prune_job import prune, prune_pictures
from pickwell.selection_files import open_selection

COLOURS = {"box": "#c02020", "ring": "#2040c0", "bar": "#20a040"}


def draw(kind, seed):
    rng = random.Random(f"{kind}-{seed}")
    image = Image.new("RGB", (96, 96), (rng.randrange(200, 256),) * 3)
    pen = ImageDraw.Draw(image)
    x, y, size = rng.randrange(8, 40), rng.randrange(8, 40), rng.randrange(24, 48)
    if kind == "box":
        pen.rectangle((x, y, x + size, y + size), fill=COLOURS[kind])
    elif kind == "ring":
        pen.ellipse((x, y, x + size, y + size), outline=COLOURS[kind], width=6)
    else:
        pen.line((x, y, x + size, y + size), fill=COLOURS[kind], width=9)
    return image


def draw_corpus(home, each, copies=0):
    """So many of each class, the first few of boxes once more, one broken ring."""
    for kind in COLOURS:
        (home / kind).mkdir(parents=True)
        for number in range(each):
            draw(kind, number).save(home / kind / f"{number:02}.png")
    for number in range(copies):
        name = home / "box" / f"copy-{number}.png"
        name.write_bytes((home / "box" / f"{number:02}.png").read_bytes())
    (home / "ring" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Three classes of 50, ten exact copies in the first, one broken file."""
    home = tmp_path_factory.mktemp("pictures")
    draw_corpus(home, 50, copies=10)
    return home


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def test_from_a_folder_to_lists_a_report_and_another_share(
    pictures, cache, pickwell_here, tmp_path
):
    words = ("--cache", cache, "--duplicates", "0.999", "--probe-seeds", 2)
    done = pickwell_here("prune", pictures, "--out", "kept", "--keep", "0.6", *words)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "kept"
    kept, removed = (folder / name for name in ("kept.txt", "removed.txt"))
    kept, removed = kept.read_text().splitlines(), removed.read_text().splitlines()
    assert len(kept) == 96 and len(removed) == 64 and not set(kept) & set(removed)
    assert "96 of 161 pictures stay" in done.stdout
    funnel = open_selection(folder).funnel()
    assert funnel["failed"] == 1 and funnel["duplicate"] >= 10
    assert sum("copy-" in id_ for id_ in kept) <= 10
    both = [n for n in range(10) if {f"box/copy-{n}.png", f"box/{n:02}.png"} <= set(kept)]
    assert not both  # of two copies one stays at most
    table = pq.read_table(folder / "pictures.parquet").to_pylist()
    assert {row["label"] for row in table} == {"bar", "box", "ring"}
    assert sum(row["kept"] for row in table) == 96
    page = (folder / "report.html").read_text()
    assert "pictures stay" in page and page.count("data:image/webp") > 60 and "broken.png" in page
    assert "No probe was trained" not in page and str(tmp_path / "cache") not in page
    assert "all of those that are not held out" in page and "<td></td>" not in page
    assert re.search(r"<tfoot>\s*<tr><th scope=\"row\">all</th><td>160</td><td>96</td>", page)
    told = json.loads((folder / "evidence.json").read_text())
    assert {line["strategy"] for line in told["probes"]} == {"hard", "easy", "random"}
    assert told["why"] in done.stdout
    assert told["strategy"] != "random" or told["prototypes"] == []  # random has none to change
    gone = next(id_ for id_ in removed if not id_.startswith("box/"))
    row = next(row for row in table if row["id"] == gone)
    why = pickwell_here("explain", folder, gone)
    assert why.returncode == 0 and why.stderr == "" and "quality" not in why.stdout
    lies = f"class {row['label']}; prototype {row['prototype']}, 1 - cosine {row['distance']:.3f}"
    assert lies in why.stdout
    unknown = pickwell_here("explain", folder, "box/copy-99.png")
    assert "box/copy-9.png" in unknown.stderr and "report.html" not in unknown.stderr
    for words, says in (
        (("report", folder), "`pickwell prune` writes its report itself"),
        (("select", folder, "--out", "new"), f"pickwell prune {folder} --out NEW"),
    ):
        refused = pickwell_here(*words)
        assert refused.returncode == 2 and says in refused.stderr
    # another share of the same corpus: no picture is read again
    second = pickwell_here(
        "prune", folder, "--out", "fewer", "--keep", "0.3", "--strategy", "easy", "--probe", "none"
    )
    assert second.returncode == 0, second.stderr
    anew = "All 161 pictures of the corpus of "
    assert anew in second.stdout and "are judged anew, also the 64 that went;" in second.stdout
    assert "--duplicates 0.999, --probe-seeds 2 of then are not: give them again" in second.stdout
    assert anew not in done.stdout
    assert anew in (tmp_path / "fewer" / "report.html").read_text()
    told = json.loads((tmp_path / "fewer" / "evidence.json").read_text())
    overlaps = {one["prototypes"]: one["overlap"] for one in told["prototypes"]}
    assert overlaps[3] == 1.0 and set(overlaps) == {3, 9, 30} and told["probes"] == []
    assert len((tmp_path / "fewer" / "kept.txt").read_text().splitlines()) == 48
    assert "No probe was trained" in (tmp_path / "fewer" / "report.html").read_text()


def test_the_same_again_gives_the_same_and_runs_no_model(pictures, cache, tmp_path):
    options = {"cache": cache, "keep": 0.5, "strategy": "hard", "probe": "none", "robust": False}
    first = prune(pictures, tmp_path / "a", **options)
    again = prune(pictures, tmp_path / "b", **options)
    assert again.pruned.selection.ids == first.pruned.selection.ids
    manifest = json.loads((tmp_path / "b" / "run" / "run.json").read_text())
    assert manifest["computed"]["images_encoded"] == 0
    vectors = np.load(tmp_path / "b" / "run" / "embeddings" / "image.npy")
    assert len(vectors) == 161 and np.isnan(vectors).any(axis=1).sum() == 1


def test_a_corpus_pruned_before_is_said_to_be_read_as_the_first_time(pictures, cache, tmp_path):
    options = {"strategy": "random", "probe": "none", "robust": False}
    said = []
    prune(pictures, tmp_path / "a", cache=cache, on_source=said.append, **options)
    prune(tmp_path / "a", tmp_path / "b", keep=0.3, on_source=said.append, **options)
    first, again = (source.how for source in said)
    assert again == f"{first}; as it was read before" and "as stated" not in again


def test_groups_of_the_first_time_hold_for_the_next(pictures, cache, tmp_path):
    options = {"strategy": "hard", "probe": "none", "robust": False}
    prune(pictures, tmp_path / "a", cache=cache, group="([0-9])", **options)

    def group_of(name, **given):
        made = prune(tmp_path / "a", tmp_path / name, keep=0.3, **options, **given)
        assert ("--group '([0-9])'" in made.remarks[0]) == (not given)
        return json.loads((tmp_path / name / "manifest.json").read_text())["options"]["group"]

    assert group_of("b") == "([0-9])"
    assert group_of("c", group=".*") == ".*"


def test_a_pruned_corpus_works_from_any_folder(pictures, cache, tmp_path, monkeypatch):
    options = {"cache": cache, "strategy": "hard", "probe": "none", "robust": False}
    (tmp_path / "work").mkdir()
    shutil.copytree(pictures, tmp_path / "work" / "photos")
    monkeypatch.chdir(tmp_path / "work")
    prune("photos", "pruned", **options)
    assert json.loads(Path("pruned/manifest.json").read_text())["started_in"] == ".."
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    prune(tmp_path / "work" / "pruned", "half", keep=0.5, **options)
    (tmp_path / "work").rename(tmp_path / "moved")  # pictures and pruned corpus together
    made = prune("../moved/pruned", "count", count=8, copy_records=True, **options)
    assert len(list(Path("count/data").rglob("*.png"))) == len(made.pruned.selection.ids) == 8
    assert f"pickwell prune {tmp_path / 'moved' / 'photos'} " in Path("count/README.md").read_text()
    (tmp_path / "moved" / "photos").rename(tmp_path / "moved" / "gone")
    with pytest.raises(BadInputError) as caught:
        prune("../moved/pruned", "again", **options)
    assert "run.json names photos, as seen from " in caught.value.message
    monkeypatch.chdir(tmp_path / "moved")
    (tmp_path / "moved" / "gone").rename(tmp_path / "moved" / "photos")
    prune("../elsewhere/count", "chained", keep=0.5, **options)  # made from what had moved


def test_a_pattern_that_finds_nothing_is_refused_and_one_that_finds_a_part_is_told(
    pictures, cache, tmp_path
):
    options = {"strategy": "hard", "probe": "none", "robust": False}
    with pytest.raises(BadInputError, match="--group 'dog' is found in no id; the first is 'bar/"):
        prune(pictures, tmp_path / "no", cache=cache, group="dog", **options)
    made = prune(pictures, tmp_path / "part", cache=cache, group="box/", **options)
    said = "--group is found in 60 of 161 ids: each of the others stands alone."
    assert said in made.pruned.selection.parameters["notes"]
    assert said in (tmp_path / "part" / "report.html").read_text()
    made = prune(pictures, tmp_path / "whole", cache=cache, group="b?[a-z]+/", **options)
    assert not made.pruned.selection.parameters["notes"][1:]  # but the broken one


def test_records_and_pictures_are_copied_when_asked(pictures, cache, tmp_path):
    made = prune(
        pictures, tmp_path / "out", cache=cache, count=12, strategy="moderate", probe="none",
        robust=False, copy_records=True,
    )  # fmt: skip
    copied = sorted(
        p.relative_to(tmp_path / "out" / "data") for p in (tmp_path / "out" / "data").rglob("*.png")
    )
    assert len(copied) == 12
    assert {"/".join(path.parts[-2:]) for path in copied} == set(made.pruned.selection.ids)
    here = {path.name: path for path in (tmp_path / "out").iterdir() if path.is_file()}
    manifest = json.loads(here.pop("manifest.json").read_text())
    told = {entry["path"]: entry["sha256"] for entry in manifest["outputs"]}
    assert "prototypes.npy" in here  # every file has its hash
    for name, path in here.items():
        assert told[name] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_corpus_that_changed_is_not_copied_from(pictures, cache, tmp_path):
    corpus = shutil.copytree(pictures, tmp_path / "corpus")
    options = {"cache": cache, "strategy": "hard", "probe": "none", "robust": False}
    prune(corpus, tmp_path / "out", **options)
    (corpus / "bar" / "000.png").write_bytes((corpus / "bar" / "00.png").read_bytes())
    with pytest.raises(BadInputError, match="has changed since it was read"):
        prune(tmp_path / "out", tmp_path / "again", keep=0.5, copy_records=True, **options)
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"count": 500, "strategy": "hard"}, "500 of 161 pictures cannot be kept"),
        ({"strategy": "hard", "encoder": "embeded"}, "embedded"),
        ({"strategy": "best"}, "strategy"),
        ({"group": "(", "strategy": "hard"}, "not a regular expression"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_left(pictures, cache, tmp_path, options, says):
    with pytest.raises(BadInputError) as caught:
        prune(pictures, tmp_path / "out", cache=cache, robust=False, **options)
    assert says in f"{caught.value.message} {caught.value.remedy}"
    assert not list(tmp_path.iterdir())


def test_pictures_without_classes(pictures, cache, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for kind in COLOURS:
        for number in range(20):
            draw(kind, number).save(flat / f"{kind}{number}.png")
    made = prune(flat, tmp_path / "auto", cache=cache, keep=0.5, robust=False)
    assert made.strategy == "random" and made.pilot is None
    assert "8 images for each of 8 prototypes" in made.why and "there are no classes" in made.why
    page = (tmp_path / "auto" / "report.html").read_text()
    assert made.why in page and "The probes that chose" not in page
    made = prune(flat, tmp_path / "out", cache=cache, strategy="hard", keep=0.5)
    assert len(made.pruned.selection.ids) == 30 and made.pilot is None
    assert made.pruned.selection.parameters["balance_by"] == "clusters"


def corpus_of_one_class(count=120):
    return Corpus(
        np.array([f"row-{n}" for n in range(count)], object), [None] * count, Path(),
        np.random.default_rng(0).standard_normal((count, 6)), np.zeros(count, np.int64), ["only"],
        np.arange(count, dtype=np.uint64), None,
    )  # fmt: skip


def test_one_class_is_as_good_as_none(tmp_path):
    made = prune_pictures(
        corpus_of_one_class(), tmp_path, PruneConfig(robust=False), lambda *said: None
    )
    assert made.strategy == "random" and made.pilot is None
    assert "all pictures are of one class; with two or more" in made.why
    assert len(made.pruned.prototypes.centres) == 11  # the root of 120
    assert made.pruned.selection.parameters["balance_by"] == "clusters"


@pytest.mark.parametrize(
    ("count", "probe", "says"),
    [
        (120, "none", "--probe none was given; without it probes test it"),
        (60, "linear", "too few pictures could be trained and tested on; probes want two classes"),
    ],
)
def test_why_no_probe_was_trained_and_what_would_let_one(tmp_path, count, probe, says):
    pictures = replace(corpus_of_one_class(count), classes=np.arange(count) % 2)
    settings = PruneConfig(robust=False, probe=probe)
    made = prune_pictures(pictures, tmp_path, settings, lambda *said: None)
    assert says in made.why and "--columns" not in made.why
