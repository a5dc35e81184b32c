"""``pickwell compare`` as a person types it, and that no test data reaches any choice."""

import hashlib
import json
import re

import pyarrow.parquet as pq
import pytest

from pickwell.compare_job import _labels_on, seen_before

METRICS = "length,image_quality,repetition,boilerplate"
SHORT = (
    *("--budget", 8, "--seeds", 2, "--steps", 2, "--epochs", 1, "--batch-size", 4),
    *("--train", "projector", "--no-bf16", "--learning-rate", 0.01),
)


@pytest.fixture
def scored(llava, pickwell_here):
    done = pickwell_here("score", llava, "--out", "run", "--metrics", METRICS, "--models", "none")
    assert done.returncode == 0, done.stderr
    return "run"


@pytest.fixture
def compare(scored, held_out, tiny, pickwell_here):
    def run(*words, target=held_out):
        return pickwell_here("compare", scored, "--target", target, "--model", tiny, *SHORT, *words)

    return run


ARMS = "selected,longest,length-only,quality-only,clusters-only,random-above-floors,full"


@pytest.mark.slow
def test_a_table_for_each_rule_with_random_first(compare, tmp_path):
    done = compare("--arms", ARMS, "--budgets", "4,8,all", "--full-seeds", 1)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "2 seeds can hardly tell one arm from another" in done.stderr
    assert "trainings of 1 to 15 steps of 4" in done.stderr
    assert said.count("(no training)") == 3 and "95 % over seeds" in said  # two tables, a remark
    assert "8 chosen, equal steps" in said and "8 chosen, equal epochs" in said
    assert re.search("(NO BETTER THAN RANDOM|better than random|WORSE than random)", said)
    folder = tmp_path / "run" / "comparison"
    text = (folder / "comparison.json").read_text()
    assert "NaN" not in text
    record = json.loads(text)
    assert "budget" not in record["options"]["select"] and record["budget"] == 8
    chosen = pq.read_table(folder / "chosen.parquet").to_pylist()
    mine = [row["id"] for row in chosen if (row["arm"], row["budget"]) == ("selected", 8)]
    assert len(mine) == 8 and {r["seed"] for r in chosen if r["arm"] == "selected"} == {None}
    assert {r["seed"] for r in chosen if r["arm"] == "random"} == {0, 1}
    assert not [r for r in chosen if r["arm"] == "full" or r["budget"] == 60]
    (digest,) = [arm["chosen_sha256"] for arm in record["arms"] if arm["name"] == "selected"]
    assert digest == hashlib.sha256("\n".join(sorted(mine)).encode()).hexdigest()
    lines = record["lines"]
    assert lines[0]["arm"] == "random" and lines[0]["beside_random"] is None
    at_budget = [line["arm"] for line in lines if line["budget"] == 8 and line["rule"] == "steps"]
    assert at_budget == ["random", *ARMS.split(",")]
    curve = {(line["arm"], line["budget"]) for line in lines if line["budget"] != 8}
    assert curve == {("random", 4), ("selected", 4), ("random", 60), ("selected", 60)}
    steps = {(line["arm"], line["budget"], line["rule"]): line["steps"] for line in lines}
    assert steps["full", 8, "steps"] == 2 and steps["full", 8, "epochs"] == 15
    assert steps["selected", 4, "epochs"] == 1
    # an epoch over 8 samples is 2 steps of 4: told once, and said so
    assert "very same trainings of 2 steps" in said and "as at equal steps" in said
    assert "saw 8 of its 60 samples (2 steps of 4)" in said
    at_steps = [line for line in lines if (line["budget"], line["rule"]) == (8, "steps")]
    beside = {line["arm"]: line["beside_full"] for line in at_steps}
    assert beside["full"] is None and beside["selected"]["seeds"] == 2
    assert beside["selected"]["low_both"] < beside["selected"]["high_both"]
    assert {line["steps"] for line in lines if line["rule"] == "steps"} == {2}
    page = (folder / "comparison.html").read_text()
    assert "2 seeds can hardly tell" in page
    assert page.count("<svg") == 4 and not re.search('(src|href)="http', page)
    plots = {path.name for path in folder.glob("*.svg")}
    assert plots == {
        "beside_random.svg", "budgets_equal_steps.svg", "budgets_equal_epochs.svg"
    }  # fmt: skip
    rows = (folder / "comparison.csv").read_text().splitlines()
    assert len(rows) == len(lines) + len(record["untrained"]) + 1
    assert {line["nll"] for line in record["untrained"]} == {record["loss_before"]}

    def figures():
        """What must be the same every time: not the clock."""
        made = json.loads((folder / "comparison.json").read_text())
        for part in (made, *made["arms"], *made["lines"], *made["untrained"]):
            for clock in ("created", "choosing_seconds", "choosing"):
                part.pop(clock, None)
        return made, [path.read_text() for path in sorted(folder.glob("*.svg"))]

    kept = figures()
    assert compare("--arms", ARMS, "--budgets", "4,8,all", "--full-seeds", 1).returncode == 0
    assert figures() == kept


@pytest.mark.slow
def test_what_is_tested_on_reaches_no_choice(compare, held_out, tmp_path):
    """Another target, the same choices; and its marker stands in nothing that choosing reads."""
    done = compare("--arms", "selected,consensus")
    assert done.returncode == 0, done.stderr
    record = tmp_path / "run" / "comparison" / "comparison.json"
    first = json.loads(record.read_text())
    other = held_out.with_name("other.jsonl")
    other.write_text(held_out.read_text().replace("MARKER-4711", "something else"))
    assert compare("--arms", "selected,consensus", target=other).returncode == 0
    second = json.loads(record.read_text())
    chosen = [[arm["chosen_sha256"] for arm in made["arms"]] for made in (first, second)]
    assert chosen[0] == chosen[1]
    assert first["lines"][0]["nll"] != second["lines"][0]["nll"]
    assert "MARKER-4711" in held_out.read_text()
    for path in (tmp_path / "run").rglob("*"):
        if path.is_file():
            assert b"MARKER-4711" not in path.read_bytes(), path


def test_unknown_arms_and_missing_columns_are_named(compare, tmp_path):
    done = compare("--arms", "selectd")
    assert done.returncode == 2 and "Did you mean 'selected'?" in done.stderr
    done = compare("--arms", "selected:cluster=3")
    assert done.returncode == 2 and "OPTION=VALUE" in done.stderr
    done = compare("--arms", "reward-only")
    assert done.returncode == 2 and "'judge_yes'" in done.stderr
    done = compare("--arms", "k-center")
    assert done.returncode == 2 and "no embeddings" in done.stderr
    done = compare("--arms", "selected", "--budget", 61)
    assert done.returncode == 2 and "61 cannot be chosen from 60 rows" in done.stderr
    done = compare("--budget", 61, target="nowhere.json")
    assert done.returncode == 2 and "does not exist" in done.stderr
    done = compare("--arms", "selectd", "--budget", 61)
    assert done.returncode == 2 and "Did you mean 'selected'?" in done.stderr
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    done = compare("--arms", "selected", "--out", tmp_path / "mine")
    assert done.returncode == 2 and "holds no comparison" in done.stderr


def test_a_selection_folder_is_an_arm_and_shares_are_joined(compare, pickwell_here, tmp_path):
    done = pickwell_here(
        "select", "run", "--out", "picked", "-b", 8, "--by", "words", "--method", "top"
    )
    assert done.returncode == 0, done.stderr
    words = ("--arms", "picked,selected:method=top:by=words", "--epochs", 0)
    assert "still missing" in compare(*words, "--share", "1/2").stdout
    done = compare(*words)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "run" / "comparison" / "comparison.json").read_text())
    found = {arm["name"]: arm["chosen_sha256"] for arm in record["arms"]}
    assert found["picked"] == found["selected:method=top:by=words"]
    assert {line["rule"] for line in record["lines"]} == {"steps"}
    page = (tmp_path / "run" / "comparison" / "comparison.html").read_text()
    assert "None epochs" not in page and "Both rules stand" not in page
    assert "2 steps of 4 samples" in page


def test_a_target_that_labels_were_made_on_is_told(tmp_path):
    run = tmp_path / "run"
    for design, content in (("subsets", "abc"), ("clusters", "other")):
        (run / "labels" / design).mkdir(parents=True)
        told = {"design": design, "target": {"content": content}}
        (run / "labels" / design / "label.json").write_text(json.dumps(told))
    (run / "labels" / "broken").mkdir()
    (run / "labels" / "broken" / "label.json").write_text("{")
    assert _labels_on(run, {"content": "abc"}) == ["subsets"]
    assert _labels_on(run, {"command": "x"}) == []
    assert "is no test" in seen_before(["subsets"])[0] and not seen_before([])
