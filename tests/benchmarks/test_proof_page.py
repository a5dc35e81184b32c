"""The proof's page over results made by hand, with null wherever a figure may be missing."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.proof.page import _designs, _diversity, _lines
from benchmarks.proof.sizes import FULL, QUICK
from benchmarks.proof.steps import ALONE, pairs, told
from finetune.compare.paired import Difference
from finetune.compare.table import UNTRAINED, Line
from finetune.labels.outcomes import Outcomes
from pickwell.compare_job import Comparison
from pickwell.plain_json import plain_json

NAN = float("nan")
GAIN = Difference(0.02, 0.002, 0.015, 0.025, 0.001, 0.01, 0.03, 5)
ONCE = Difference(-0.05, NAN, NAN, NAN, NAN, -0.08, -0.02, 1)


def line(arm, rule, **other):
    known = {
        "budget": 200, "samples": 200, "seen": 200, "nll": 3.5, "spread": NAN, "steps": 25,
        "seconds": 9.0, "choosing": None, "beside_random": None, "p": NAN, "beside_full": None,
        "p_full": NAN,
    }  # fmt: skip
    return Line(arm=arm, rule=rule, **(known | other))


@pytest.fixture
def made(tmp_path):
    lines = [
        line("random", "steps", nll=3.61),
        line("selected", "steps", beside_random=GAIN, p=0.01, beside_full=GAIN, p_full=0.02),
        line("full", "steps", samples=3425, seen=200, beside_random=GAIN, p=0.2),
        line("random", "epochs", nll=3.61),
        line("selected", "epochs", beside_random=GAIN, p=0.01, beside_full=ONCE),
        line("full", "epochs", samples=3425, seen=3425, steps=429, beside_random=ONCE),
    ]
    before = {"samples": 0, "seen": 0, "steps": 0, "beside_random": GAIN, "p": 0.3, "nll": 3.6}
    generator = np.random.default_rng(0)
    outcomes = {}
    for arm, loss in (("selected", 3.0), ("quality-only", 6.0), ("clusters-only", 3.0)):
        losses = loss + 0.3 * generator.standard_normal((3, 30))
        outcomes[arm, 200, "steps"] = Outcomes(
            losses, np.full(30, 3), ((1.0,),) * 3, np.ones(3), np.full(3, 50)
        )
    return Comparison(
        tmp_path, lines, [SimpleNamespace(name=name, about="") for name in ("random", "selected")],
        200, [], before=3.6,
        untrained=[line(UNTRAINED, rule, **before) for rule in ("steps", "epochs")],
        about={
            "pool": 3425,
            "options": {"seeds": 5, "batch_size": 8, "gradient_accumulation": 1, "seed": 0},
            "target": {"samples": 100, "images": 94, "tokens": 1277},
        },
        same={200: ["random", "selected"]},
        outcomes=outcomes,
        images=range(30),
    )  # fmt: skip


def kept(made):
    """As it comes back from the file."""
    return json.loads(plain_json(told(made, Path("folder"))))


def rows_of(lines):
    cells = [
        [cell.strip() for cell in row.strip("|").split("|")] for row in lines if row[:1] == "|"
    ]
    return [dict(zip(range(20), row, strict=False)) for row in cells[2:]], cells[0]


def test_one_row_for_one_set_of_trainings_with_what_was_seen(made):
    lines = _lines(kept(made))
    rows, _ = rows_of(lines)
    assert [(row[0], row[1], row[2]) for row in rows] == [
        ("random", "200", "equal steps and epochs"),
        ("selected", "200", "equal steps and epochs"),
        ("full", "200 of 3,425", "equal steps"),
        ("full", "3,425", "equal epochs"),
        (UNTRAINED, "0", "equal steps and epochs"),
    ]
    text = "\n".join(lines)
    assert "very same trainings of 25 steps" in text and "saw 200 of its 3,425 samples" in text
    assert "higher loss than before any training: random." in text
    assert "nan" not in text.lower().replace("nats", "")


def test_the_whole_pool_has_its_intervals_and_unknown_costs_are_said(made):
    rows, head = rows_of(_lines(kept(made)))
    place = head.index("gain over full")
    assert [rows[1][place + n] for n in range(4)] == [
        "+0.0200", "+0.0150 to +0.0250", "+0.0100 to +0.0300", "0.020"
    ]  # fmt: skip
    assert {row[head.index("choosing")] for row in rows} == {"unknown"}
    assert rows[3][6] == "-0.0800 to -0.0200 (images alone)" and rows[3][5] == "one seed"


def test_figures_of_an_earlier_file_are_still_shown(made):
    old = kept(made)
    for part in ("untrained", "same_by_both_rules"):
        del old[part]
    for one in old["lines"]:
        for name in ("seen", "beside_full", "p_full", "verdict_full"):
            del one[name]
    rows, head = rows_of(_lines(old))
    assert len(rows) == 6 and "gain over full" not in head


def test_quality_and_clusters_beside_each_alone(made):
    found = pairs(made, "selected", ALONE)
    assert [pair["other"] for pair in found] == list(ALONE)
    assert found[0]["verdict"] == "better" and found[1]["verdict"] == "no better"
    assert found[0]["p"] == pytest.approx(2 * found[0]["difference"]["p"])  # Holm, the first of two
    page = "\n".join(_diversity(kept(made) | {"pairs": json.loads(plain_json(found))}))
    assert "better than quality-only; NOT SHOWN to be better than clusters-only." in page
    assert f"| selected - quality-only | {found[0]['difference']['value']:+.4f} |" in page


def test_no_arm_of_diversity_stands_twice():
    for size in (FULL, QUICK):
        assert "selected:clusters=1" not in size.diversity and set(ALONE) <= set(size.diversity)


def test_labels_whose_worth_has_no_interval():
    worth = {"score": 0.2, "low": None, "high": None}
    design = {
        "worth": {"subsets": worth, "consensus": worth | {"score": None}},
        "cost": {"labels": {"seconds": 10.0, "passes": 100}}, "groups": 3, "size": 8,
        "reliability": None, "ceiling": {"value": None, "low": None, "high": None},
        "datamodel": {"r2_left_out": None}, "fit": "nothing",
    }  # fmt: skip
    text = "\n".join(_designs({"subsets": design}))
    assert "+0.20 (too few for an interval)" in text and "None" not in text
