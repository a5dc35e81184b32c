"""What `pickwell prune --by METHOD` tells: in reasons, terminal, page, card and manifest."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pickwell.prune_by import NO_PART
from pickwell.prune_job import prune
from tests.pickwell.test_prune_command import draw_corpus


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Three classes of 20, five copies in the first, one broken file."""
    home = tmp_path_factory.mktemp("by")
    draw_corpus(home, 20, copies=5)
    return home


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def pruned(pictures, cache, tmp_path):
    """Prune, and give the folder's rows, manifest, page and card beside what came of it."""

    def done(**options):
        made = prune(pictures, tmp_path / "o", cache=cache, **options)
        folder = Path(tmp_path / "o")
        rows = pq.read_table(folder / "selection.parquet").to_pylist()
        manifest = json.loads((folder / "manifest.json").read_text())
        return made, rows, manifest, (folder / "report.html").read_text(), folder

    return done


def test_the_score_is_told_where_one_ranks(pruned):
    made, rows, manifest, page, folder = pruned(by="hardest", keep=0.4)
    assert manifest["parameters"]["by"] == "hardest:prototype" and "--by hardest:prototype" in page
    assert made.why.startswith("--by hardest:prototype;")
    assert "--by hardest:prototype" in (folder / "README.md").read_text()
    distance = {
        row["id"]: row["distance"] for row in pq.read_table(folder / "pictures.parquet").to_pylist()
    }
    for row in rows:
        if row["stage"] == "failed":
            continue
        assert row["quality"] == distance[row["id"]]
        assert f"prototype {row['quality']:.4g}, " in row["reason"]
        assert " the cut of " in row["reason"] and " of 65 from the hardest" in row["reason"]
    assert manifest["parameters"]["notes"] and "prototypes_role" not in manifest["parameters"]
    assert "with their distance to the nearest prototype" in page and NO_PART not in page
    assert manifest["parameters"]["quality"] == "the score prototype, higher is harder"


def test_classes_are_their_own_prototypes_where_they_are_asked_for(pruned):
    made, _, manifest, page, _ = pruned(by="hardest", keep=0.4, supervised=True)
    assert manifest["parameters"]["by"] == "hardest:class-mean" and NO_PART not in page
    assert "a small model" not in page
    made, *_ = pruned(by="random", keep=0.4)
    assert made.why == "--by random."


def test_prototypes_that_play_no_part_are_not_told_as_if_they_did(pruned):
    made, rows, manifest, page, folder = pruned(by="herding", keep=0.4)
    assert made.pruned.selection.parameters["notes"] == []
    assert manifest["parameters"]["prototypes_role"] == NO_PART and NO_PART in page
    assert {row["quality"] for row in rows} == {None}
    assert all("prototype" not in row["reason"] for row in rows)
    assert "Mean distance" not in page and "Strategy" not in page and ">floor<" not in page
    assert "It plays no part in the choice." in page and "with their" not in page
    assert "Distance to a prototype" not in (folder / "README.md").read_text() + page
    assert {one["stage"] for one in rows} == {"chosen", "not chosen", "failed"}


def test_classes_are_named_and_only_what_holds_is_stored(pruned):
    _, rows, manifest, page, _ = pruned(by="ccs:aum", per_class=4)
    assert manifest["parameters"]["shares"] == {"bar": 4, "box": 4, "ring": 4}
    options = manifest["options"]
    assert options["per_class"] == 4 and options["by"] == "ccs:aum"
    assert not {"keep", "count", "strategy", "probe", "chains", "duplicates"} & set(options)
    for row in rows:
        kind = row["id"].split("/")[0]
        if row["stage"] == "chosen":
            assert (
                f"of the 4 in class {kind}; within it: aum {row['quality']:.4g}, stratum"
                in row["reason"]
            )
        elif row["stage"] == "not chosen":
            assert (
                f"pruned: not among the 4 picks of ccs:aum in class {kind}; within it: aum"
                in row["reason"]
            )
    assert "4 of each" in page and "area under the margin" in page
    assert "with their score aum, higher is harder" in page


def test_near_copies_are_duplicates_with_what_stands_for_them(pruned, pickwell_here, tmp_path):
    made, rows, manifest, page, folder = pruned(by="semdedup:epsilon=0,clusters=1", count=20)
    gone = [row for row in rows if row["stage"] == "duplicate"]
    assert len(gone) >= 5 and all(row["similarity"] > 0.999 for row in gone)
    assert all(f"of {row['rival']} in its cluster" in row["reason"] for row in gone)
    assert len(made.pruned.duplicates.rows) == len(gone)
    assert not set(made.pruned.kept.removed) & set(made.pruned.duplicates.rows)
    rest = [row for row in rows if row["stage"] == "not chosen"]
    assert len(rest) == 65 - 20 - len(gone)
    assert all("it went for the number alone" in row["reason"] for row in rest)
    assert (
        "What goes for its likeness, beside what it is like" in page and "goes by rank" not in page
    )
    words = "of rows with a near copy anywhere, the share that has one within its own cluster"
    assert words in page and words in (folder / "README.md").read_text()
    assert words in manifest["parameters"]["found_is"]["recall"]
    assert manifest["options"]["count"] == 20 and "keep" not in manifest["options"]
    done = pickwell_here("explain", folder, gone[0]["id"])
    stage = {row["id"]: row["stage"] for row in rows}
    stands = "is represented by" if stage[gone[0]["rival"]] == "chosen" else "is like"
    assert done.returncode == 0 and f"it {stands} {gone[0]['rival']}" in done.stdout


def test_the_terminal_names_what_went_and_what_was_found(pictures, cache, pickwell_here):
    words = ("--cache", cache, "--keep", "0.5", "--by", "semdedup:greedy=true")
    done = pickwell_here("prune", pictures, "--out", "o", *words)
    assert done.returncode == 0, done.stderr
    assert "go for their likeness to another" in done.stdout and "by rank" not in done.stdout
    assert "the share that has one within its own cluster, where copies" in done.stdout
    assert "distance" not in done.stderr  # of prototypes that play no part
    done = pickwell_here("prune", pictures, "--out", "o", "--cache", cache, "--by", "easiest")
    assert "--by easiest:prototype;" in done.stdout and "likeness" not in done.stdout
    assert "are not picked" in done.stdout and "has no distance" in done.stderr


def test_an_ordinary_pruning_stores_only_what_holds(pruned):
    _, _, manifest, page, _ = pruned(count=30, strategy="easy", robust=False)
    options = manifest["options"]
    assert options["count"] == 30 and options["strategy"] == "easy" and options["balance"] == 0.5
    assert not {"keep", "by", "per_class", "duplicates_first", "chains"} & set(options)
    assert "Floor" in page and ">floor<" in page and "What goes first" in page
