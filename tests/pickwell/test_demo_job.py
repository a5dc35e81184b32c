"""The demo's arithmetic by hand, and the whole demo on the real pool with the real models."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from pickwell.demo_job import compare_defects, tell

ROOT = Path(__file__).parents[2]


def test_defects_are_counted_by_kind():
    ids = [f"i{n}" for n in range(20)]
    kinds = {0: ("planted", "refusal"), 1: ("planted", "empty"), 2: ("natural", "empty title")}
    truth = {
        id_: SimpleNamespace(
            quality=kinds.get(n, ("good", None))[0], defect=kinds.get(n, ("good", None))[1]
        )
        for n, id_ in enumerate(ids)
    }
    rows = compare_defects(ids, truth, SimpleNamespace(ids=["i1", "i7", "i8", "i9"]))
    by_name = {row["name"]: row for row in rows}
    assert by_name["all defects"]["total"] == 3
    assert by_name["all defects"]["chosen"] == 1
    assert by_name["planted: empty"]["chosen"] == 1
    assert by_name["planted: refusal"]["chosen"] == 0
    assert by_name["natural"]["total"] == 1
    assert by_name["all defects"]["random_mean"] == pytest.approx(3 * 4 / 20, abs=0.1)
    text = "\n".join(tell(rows))
    assert "all defects" in text and "planted: refusal" in text


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_the_whole_demo(packages, pickwell, pool_cache, tmp_path):
    """What `make demo` does, from the unpacked packages on."""
    done = pickwell(
        "demo",
        "--dir",
        "demo",
        "--packages",
        packages.resolve(),
        timeout=2300,
        OMP_NUM_THREADS=str(os.cpu_count()),
        PICKWELL_CACHE=str(pool_cache),
    )
    assert done.returncode == 0, done.stderr
    assert "known defects among the picks" in done.stdout
    manifest = json.loads((tmp_path / "demo" / "selection" / "manifest.json").read_text())
    funnel = manifest["funnel"]
    assert sum(funnel.values()) >= 3400
    assert funnel["chosen"] == 200
    truth = {row["name"]: row for row in manifest["truth"]}
    for name in ("all defects", "planted", "natural"):
        assert truth[name]["chosen"] < truth[name]["random_low"], truth[name]
    reasons = (tmp_path / "demo" / "selection" / "report.html").read_text()
    assert "best of cluster" in reasons
    assert "predicts the 392 sample labels better than their mean" in done.stdout
    evaluation = json.loads((tmp_path / "demo" / "evaluation" / "evaluation.json").read_text())
    before_and_after = evaluation["differences"]["nll"]
    assert before_and_after["high"] < 0, before_and_after  # trained, it is better than before
    for told in ("Held-out response NLL", "Right response preferred", "No drift", "of 250 rows"):
        assert told in done.stdout, told
    for chapter in ("What the labels taught", "Fine-tuned on the chosen", "The next batch"):
        assert chapter in reasons, chapter
