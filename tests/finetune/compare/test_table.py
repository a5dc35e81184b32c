"""The table over a ledger that is filled by hand."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from finetune.compare.arms import cells, full_arm, random_arm, top_arm
from finetune.compare.table import UNTRAINED, lines_of, same_by_both_rules, untrained_lines
from finetune.labels.outcomes import OUTCOMES, Ledger, Outcomes
from scoring.store import KeyedStore

IDS = [f"s{number}" for number in range(20)]


@pytest.fixture
def filled(tmp_path):
    arms = [random_arm(IDS), top_arm("best", "", IDS, np.arange(20.0)), full_arm(IDS)]
    made = cells(arms, {5: ["random", "best", "full"]}, 4, steps=3, epochs=None, batch=2)
    generator = np.random.default_rng(0)
    store = KeyedStore(tmp_path, OUTCOMES)
    level = {"random": 2.0, "best": 1.0, "full": 2.0}
    for cell in made:
        for task in cell.tasks:
            row = {
                "losses": (level[cell.arm] * 3 + 0.01 * generator.standard_normal(30)).tolist(),
                "tokens": [3] * 30,
                "train_losses": [1.0] * 3,
                "seconds": 2.0,
                "passes": 42,
            }
            table = pa.Table.from_pylist([row], schema=OUTCOMES)
            store.append([task.key("bench")], table)
    return made, arms, Ledger(tmp_path, "bench")


def test_the_better_arm_is_called_better_and_the_rest_is_not(filled):
    found = {line.arm: line for line in lines_of(*filled, range(30))}
    assert found["random"].beside_random is None and found["random"].verdict == ""
    assert found["best"].verdict == "better" and found["best"].p < 0.001
    assert found["best"].beside_random.value == pytest.approx(1, abs=0.01)
    assert found["full"].verdict == "no better"
    assert found["best"].nll == pytest.approx(1, abs=0.01)
    assert found["best"].samples == 5 and found["full"].samples == 20
    assert found["best"].steps == 3 and found["best"].seconds == 2
    assert found["full"].record()["verdict"] == "no better"


def test_every_arm_stands_beside_the_whole_pool_too(filled):
    found = {line.arm: line for line in lines_of(*filled, range(30))}
    gain = found["best"].beside_full
    assert gain.value == pytest.approx(1, abs=0.01) and gain.seeds == 4
    assert gain.low < 1 < gain.high and gain.low_both < 1 < gain.high_both
    assert found["best"].verdict_full == "better" and found["best"].p_full == gain.p
    assert found["full"].beside_full is None and found["random"].beside_full is None
    assert found["best"].record()["verdict_full"] == "better"
    made, arms, ledger = filled
    without = [cell for cell in made if cell.arm != "full"]
    assert all(line.beside_full is None for line in lines_of(without, arms, ledger, range(30)))


def test_fewer_trainings_on_the_whole_pool_are_compared_seed_by_seed(filled):
    made, arms, ledger = filled
    dear = [replace(c, tasks=c.tasks[:1]) if c.arm == "full" else c for c in made]
    found = {line.arm: line for line in lines_of(dear, arms, ledger, range(30))}
    assert found["best"].beside_full.seeds == 1
    assert found["best"].verdict_full == "one seed: cannot be told"


def test_how_much_of_the_pool_was_seen(filled):
    """42 samples went forward, 30 of them to measure."""
    found = {line.arm: line for line in lines_of(*filled, range(30))}
    assert found["full"].samples == 20 and found["full"].seen == 12
    assert found["best"].samples == 5 and found["best"].seen == 5


def test_the_verdict_needs_the_corrected_p(filled):
    best = next(line for line in lines_of(*filled, range(30)) if line.arm == "best")
    assert best.verdict == "better" and replace(best, p=0.06).verdict == "no better"
    assert replace(best, p_full=0.06).verdict_full == "no better"


def test_where_both_rules_are_the_same_trainings(filled):
    lines = lines_of(*filled, range(30))
    epochs = [replace(line, rule="epochs", steps=10 if line.arm == "full" else 3) for line in lines]
    assert same_by_both_rules([*lines, *epochs]) == {5: ["random", "best"]}
    assert same_by_both_rules(lines) == {}


def test_the_untrained_model_stands_beside_random_and_corrects_no_p(filled):
    made, _, ledger = filled
    before = Outcomes(
        np.full((1, 30), 4.5), np.full(30, 3), ((),), np.array([1.0]), np.array([30])
    )  # a loss of 1.5: random, at 2, has done harm
    (line,) = untrained_lines(made, before, ledger, range(30))
    assert (line.arm, line.budget, line.rule) == (UNTRAINED, 5, "steps")
    assert line.nll == pytest.approx(1.5) and line.steps == 0 and line.samples == 0
    assert line.beside_random.value == pytest.approx(0.5, abs=0.01)
    assert line.verdict == "better" and line.p == line.beside_random.p
    assert UNTRAINED not in {one.arm for one in lines_of(*filled, range(30))}
