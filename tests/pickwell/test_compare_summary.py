"""What a comparison says in words: once per finding, with its interval and its corrected p."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from finetune.compare.arms import Arm
from finetune.compare.paired import Difference
from finetune.compare.table import UNTRAINED, Line, same_by_both_rules
from finetune.labels.outcomes import Outcomes
from pickwell.compare_files import write_comparison
from pickwell.compare_job import Comparison
from pickwell.compare_summary import SAME, UNKNOWN, table_of, verdicts

NAN = float("nan")
GAIN = Difference(0.02, 0.002, 0.015, 0.025, 0.001, 0.01, 0.03, 5)
NONE = Difference(0.001, 0.002, -0.003, 0.005, 0.6, -0.004, 0.006, 5)
ONCE = Difference(-0.05, NAN, NAN, NAN, NAN, -0.08, -0.02, 1)


def line(arm, rule, **other):
    told = {
        "budget": 200, "samples": 200, "seen": 200, "nll": 3.5, "spread": 0.01, "steps": 25,
        "seconds": 9.0, "choosing": 1.0, "beside_random": None, "p": NAN, "beside_full": None,
        "p_full": NAN,
    }  # fmt: skip
    return Line(arm=arm, rule=rule, **(told | other))


@pytest.fixture
def made(tmp_path):
    """200 of 3,425 in steps of 8: an epoch over the chosen is 25 steps, over the pool 429."""
    lines = []
    for rule, steps, seen, far in (("steps", 25, 200, GAIN), ("epochs", 429, 3425, ONCE)):
        full = {"samples": 3425, "seen": seen, "steps": steps}
        best = {"beside_random": GAIN, "p": 0.003, "beside_full": far, "p_full": 0.004}
        lines += [
            line("random", rule, nll=3.61),
            line("selected", rule, **best),
            line("longest", rule, beside_random=NONE, p=0.6, choosing=None, beside_full=NONE),
            line("full", rule, beside_random=NONE, p=0.6, **full),
        ]
    before = {"steps": 0, "samples": 0, "seen": 0, "beside_random": NONE}
    arms = [
        Arm(name, "", lambda budget, seed: ["a"], whole=name == "full")
        for name in ("random", "selected", "longest", "full")
    ]
    options = {
        "seeds": 5, "batch_size": 8, "gradient_accumulation": 1, "seed": 0, "steps": 25,
        "epochs": 1.0, "train": "projector", "model": "m",
    }  # fmt: skip
    target = {"samples": 100, "images": 94, "tokens": 1277}
    return Comparison(
        tmp_path / "comparison",
        lines,
        arms,
        200,
        [],
        before=3.6,
        untrained=[line(UNTRAINED, rule, **before) for rule in ("steps", "epochs")],
        about={"pool": 3425, "options": options, "target": target, "model": "k"},
        same=same_by_both_rules(lines),
    )  # fmt: skip


def test_one_set_of_trainings_is_told_once(made):
    said = verdicts(made)
    assert sum("better than random" in sentence for sentence in said) == 1
    (again,) = [sentence for sentence in said if "very same trainings of 25 steps" in sentence]
    assert again.endswith("one finding and not two: random, selected, longest.")
    assert sum("higher loss than before any training: random" in one for one in said) == 1
    apart = replace(made, same={})
    assert sum("better than random" in sentence for sentence in verdicts(apart)) == 2


def test_the_tables_say_it_too(made):
    head, rows = table_of(made, 200, "epochs")
    told = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    assert told["selected"]["verdict"] == told["longest"]["verdict"] == SAME
    assert told["full"]["verdict"] == "no better" and told[UNTRAINED]["verdict"] == SAME
    head, rows = table_of(made, 200, "steps")
    told = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    assert told["selected"]["verdict"] == "better"
    assert told["longest"]["choosing"] == UNKNOWN
    assert told["full"]["trained on"] == "200 of 3,425" and told["selected"]["trained on"] == "200"
    (full,) = [name for name in head if name.startswith("gain over full")]
    assert told["selected"][full].split("\n") == [
        "+0.0200", "+0.0150 to +0.0250", "+0.0100 to +0.0300", "p 0.004"
    ]  # fmt: skip


def test_the_whole_pool_stands_beside_with_intervals_and_what_was_seen_of_it(made):
    said = verdicts(made)
    assert (
        "At equal steps a training on the whole pool saw 200 of its 3,425 samples (25 steps of 8):"
        " a random draw of so many." in said
    )
    assert (
        "At equal steps 200 of 'selected' are better than the whole pool (25 steps against 25):"
        " +0.0200 nats per token (+0.0150 to +0.0250 over seeds, +0.0100 to +0.0300 over seeds and"
        " images; p 0.004 corrected for the number of arms)." in said
    )
    assert (
        "At equal epochs 200 of 'selected' are -0.0500 nats per token beside the whole pool"
        " (25 steps against 429); one seed tells nothing." in said
    )
    assert not any("equal epochs a training on the whole pool" in sentence for sentence in said)


def test_better_needs_the_corrected_p(made):
    weak = [replace(one, p=0.07) if one.arm == "selected" else one for one in made.lines]
    (told,) = [s for s in verdicts(replace(made, lines=weak)) if "NO BETTER THAN RANDOM" in s]
    assert "p 0.070 corrected" in told


def test_two_arms_are_paired_by_seed_from_what_was_measured(made):
    generator = np.random.default_rng(0)
    noise = 0.01 * generator.standard_normal((2, 3, 30))

    def outcomes(losses):
        return Outcomes(losses, np.full(30, 3), ((1.0,),) * 3, np.ones(3), np.full(3, 50))

    kept = {
        ("selected", 200, "steps"): outcomes(3 + noise[0]),
        ("quality-only", 200, "steps"): outcomes(6 + noise[1]),
    }
    full = replace(made, outcomes=kept, images=range(30))
    found = full.between("selected", "quality-only")
    assert found.value == pytest.approx(1, abs=0.01) and found.seeds == 3
    assert full.between("quality-only", "selected").value == pytest.approx(-found.value)
    with pytest.raises(KeyError):
        full.between("selected", "clusters-only")


def test_the_files_hold_null_and_both_differences(made):
    made.about["run"] = "run"
    write_comparison(made)
    text = (made.folder / "comparison.json").read_text()
    assert "NaN" not in text
    record = json.loads(text)
    assert record["same_by_both_rules"] == {"200": ["random", "selected", "longest"]}
    selected = [one for one in record["lines"] if one["arm"] == "selected"]
    assert [one["verdict_full"] for one in selected] == ["better", "one seed: cannot be told"]
    assert selected[1]["beside_full"]["low"] is None
    with (made.folder / "comparison.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert "nan" not in {value for row in rows for value in row.values()}
    assert float(rows[1]["gain_full_low_both"]) == 0.01 and rows[0]["gain_full_value"] == ""
    page = (made.folder / "comparison.html").read_text()
    assert "gain over full" in page and SAME in page


def test_an_arm_that_no_seed_changes_is_named(made):
    def outcomes(*train_losses):
        many = len(train_losses)
        return Outcomes(
            np.ones((many, 2)), np.full(2, 3), train_losses, np.ones(many), np.ones(many)
        )

    kept = {
        ("random", 200, "steps"): outcomes((3.0, 2.0), (3.1, 2.0)),
        ("longest", 200, "steps"): outcomes((3.9, 2.1), (3.9, 2.1)),
        ("selected", 50, "steps"): outcomes((3.9, 2.1), (3.9, 2.1)),
    }
    (told,) = [s for s in verdicts(replace(made, outcomes=kept)) if "are one training" in s]
    assert "All seeds of longest are" in told
    assert not [s for s in verdicts(made) if "are one training" in s]
