"""The proof's arithmetic by hand, and the whole proof far too small to prove anything."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from benchmarks.proof.defects import UNSEEN, auroc, defect_table, interval
from benchmarks.proof.page import page

ROOT = Path(__file__).parents[2]
NUMBERS = st.lists(st.integers(0, 5), min_size=1, max_size=20)


@given(NUMBERS, NUMBERS)
def test_auroc_is_that_of_scikit_learn(good, bad):
    labels = [1] * len(good) + [0] * len(bad)
    assert auroc(np.array(good), np.array(bad)) == pytest.approx(
        roc_auc_score(labels, [*good, *bad])
    )


def test_an_interval_holds_its_value():
    generator = np.random.default_rng(0)
    good, bad = generator.normal(1, 1, 80), generator.normal(0, 1, 80)
    low, high = interval(good, bad)
    assert low < auroc(good, bad) < high and high - low < 0.2


def test_defects_by_kind_without_those_whose_truth_was_given_away():
    ids = ["a", "b", "c", "d", "e", "f"]
    kinds = [None, None, "refusal", "refusal", "exact_duplicate", "refusal"]
    truth = {
        id_: SimpleNamespace(quality="planted" if kind else "good", defect=kind)
        for id_, kind in zip(ids, kinds, strict=True)
    }
    scores = {"m": np.array([3.0, 2, 2.5, np.nan, 9, 8])}
    found = defect_table(ids, scores, truth, frozenset(["f"]), intervals_of=["m"])
    assert found["counts"] == {
        "good": 2, "all": 3, UNSEEN: 2, "exact_duplicate": 1, "refusal": 2
    }  # fmt: skip
    table = found["auroc"]["m"]
    assert table["refusal"] == table[UNSEEN] == pytest.approx(3 / 4)  # missing counts as lowest
    assert table["exact_duplicate"] == 0
    assert table["all"] == pytest.approx(3 / 6)


def test_the_page_says_how_reliable_each_design_is():
    cost = {"seconds": 740.0, "passes": 3817}
    one = {"groups": 0, "size": None, "datamodel": None, "ceiling": None, "worth": {}, "fit": "."}
    one |= {"reliability": None, "cost": {"labels": cost, "retest": {"seconds": 171.4}}}
    again = {"correlation": 0.613, "samples": 500}
    setting = dict.fromkeys(("learning_rate", "label_rate"), 1e-4) | dict.fromkeys(
        ("target", "test", "train", "label_steps", "size", "budget", "steps", "seeds", "few_seeds"),
        1,
    )
    about = {"command": "", "minutes": 1, "cores": 2, "version": "", "date": "", "size": setting}
    about |= {"pool": 1, "defects": 1, "clean": 1}

    def told(retest):
        return page({"about": about, "designs": {"influence": one | {"retest": retest}}})

    assert "| +0.61 (500 samples, 171 s more) |" in told(again)
    assert "| none (500 samples, 171 s more) |" in told(again | {"correlation": None})
    assert "| 740 s | 3,817 | not known |" in told(None)


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_the_quick_proof_writes_every_table_and_the_same_again(packages, pool_cache, tmp_path):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "packages").symlink_to(packages.resolve())

    def prove():
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.proof", "--quick", "--dir", tmp_path / "demo"],
            env=os.environ | {"PICKWELL_CACHE": str(pool_cache)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-3000:]
        docs = tmp_path / "demo" / "proof_quick" / "docs"
        return docs, (docs / "proof.md").read_text()

    docs, page = prove()
    assert "Not measured in this run" not in page
    for number in range(1, 6):
        assert f"## {number}. " in page
    for name in ("designs", "defects", "mixed", "clean", "diversity", "budgets", "transfer"):
        assert json.loads((docs / "proof" / f"{name}.json").read_text())
    for line in page.splitlines():
        if line.startswith("![") and "](" in line:
            assert (docs / line.split("](")[1].rstrip(")")).is_file()
    assert not _test_ids_in(tmp_path / "demo")
    kept = {p.name: p.read_text() for p in (docs / "proof").glob("*.svg")}
    _, again = prove()
    assert {p.name: p.read_text() for p in (docs / "proof").glob("*.svg")} == kept
    rows = [line for line in page.splitlines() if line.startswith("|") and " s |" not in line]
    assert [r for r in again.splitlines() if r.startswith("|") and " s |" not in r] == rows


def _test_ids_in(demo):
    """Files of the proof (scores, quality, labels, selections) that name a test sample."""
    ids = {row["id"] for row in json.loads((demo / "pool" / "proof_test.json").read_text())}
    assert len(ids) > 100
    found = []
    for path in (demo / "proof_quick").rglob("*"):
        if path.suffix == ".parquet" and "id" in pq.read_schema(path).names:
            named = set(pq.read_table(path, columns=["id"])["id"].to_pylist())
        elif path.suffix in {".json", ".csv", ".txt", ".jsonl", ".html", ".md"}:
            text = path.read_text(errors="replace")
            named = {id_ for id_ in ids if id_ in text}
        else:
            continue
        found += [path.name] if ids & named else []
    return found
