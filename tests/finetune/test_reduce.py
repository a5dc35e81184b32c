"""Trainings on reduced data: seeds, splits, and a table by hand."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from data_cards import BadInputError
from finetune.reduce import Labelled, Outcome, Plan, lines_of, parse_entry, run_benchmark
from finetune.reduce.classifier import accuracy_after
from pickwell.benchmark_files import errors
from scoring.dynamics import Recipe, named
from scoring.dynamics.classifier import steps_of
from scoring.dynamics.proxies import linear
from selector.coreset import Budget

RECIPE = Recipe(epochs=6, batch_size=32, learning_rate=0.3)


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    features = (data.data / 16).astype(np.float32)[:600]
    labels = data.target.astype(np.int64)[:600]
    ids = np.array([f"d{n}" for n in range(600)], object)
    return Labelled(ids, labels, features, features, None, "digits")


def plan(*methods, seeds=(0, 1), **options):
    return Plan(
        entries=tuple(parse_entry(text, "el2n") for text in methods),
        budgets={"40": Budget(count=40), "2 per class": Budget(per_class=2)},
        seeds=seeds, make=linear(64, 10), recipe=RECIPE, proxy=linear(64, 10),
        proxy_recipe=RECIPE, proxy_runs=1, describe="t", **options,
    )  # fmt: skip


def test_the_same_plan_gives_the_same_and_goes_on(digits, tmp_path):
    one = run_benchmark(digits, plan("herding", "hardest"), tmp_path / "a")
    other = run_benchmark(digits, plan("herding", "hardest"), tmp_path / "b")
    assert [(o.method, o.seed, o.accuracy) for o in one] == [
        (o.method, o.seed, o.accuracy) for o in other
    ]
    assert len(one) == 2 * 2 * 3 * 2
    assert {o.count for o in one} == {40, 20}
    # another method later: what is done is not done again
    more = run_benchmark(digits, plan("herding", "hardest", "ccs"), tmp_path / "a")
    assert [o for o in more if o.method != "ccs:el2n"] == one
    assert all(o.megabytes > 0 and o.seconds >= 0 for o in more)
    assert all((o.score_seconds > 0) == (":" in o.method) for o in more)


def test_test_rows_take_no_part_in_any_choice(digits, tmp_path):
    """Labels and features of rows held out are made unusable: the same is chosen and trained."""
    from selector.prune.probe import split_rows

    _, test = split_rows(digits.ids, digits.labels, np.ones(600, bool), seed=0)
    features = digits.features.copy()
    features[test] = 77.0
    marked = Labelled(digits.ids, digits.labels, features, digits.inputs, None, "marked")
    entries = ("herding", "d2:forgetting", "k-center")
    one = run_benchmark(digits, plan(*entries, seeds=(0,)), tmp_path / "a")
    other = run_benchmark(marked, plan(*entries, seeds=(0,)), tmp_path / "b")
    assert [o.accuracy for o in one] == [o.accuracy for o in other]


def test_vectors_of_nearly_one_direction_are_learned_from(digits, tmp_path):
    """As those of encoders are: raw, a linear layer hardly leaves its start."""
    shifted = digits.features + 20.0
    shifted /= np.linalg.norm(shifted, axis=1, keepdims=True)
    right = []
    for inputs in (None, shifted):
        data = Labelled(digits.ids, digits.labels, shifted, inputs, None, f"{inputs is None}")
        made = run_benchmark(data, plan(seeds=(0,)), tmp_path / f"{inputs is None}")
        right.append(np.mean([o.accuracy for o in made if o.rule == "steps"]))
    assert right[0] > 0.7 > 0.5 > right[1]


def test_training_learns_and_its_order_plays_no_part(digits):
    rows = np.arange(400)
    right = accuracy_after(
        linear(64, 10), digits.inputs, digits.labels, rows, np.arange(400, 600), 80,
        recipe=RECIPE, seed=0,
    )  # fmt: skip
    assert right > 0.8
    again = accuracy_after(
        linear(64, 10), digits.inputs, digits.labels, rows[::-1], np.arange(400, 600), 80,
        recipe=RECIPE, seed=0,
    )  # fmt: skip
    assert again == right
    assert steps_of(100, RECIPE) == 6 * 4 and steps_of(97, RECIPE) == 6 * 3


def outcome(method, seed, accuracy, rule="steps"):
    return Outcome(method, "10%", 10, rule, seed, accuracy, 1.0, 2.0, 0.0)


def test_the_table_by_hand():
    made = lines_of(
        [
            *(outcome("random", seed, 0.5 + seed / 100) for seed in range(3)),
            *(outcome("good", seed, 0.6 + seed / 100) for seed in range(3)),
            *(outcome("same", seed, 0.5 + (2 - seed) / 100) for seed in range(3)),
            outcome("lone", 0, 0.9),
        ]
    )
    by = {line.method: line for line in made}
    assert by["good"].gain == pytest.approx(0.1) and by["good"].verdict == "better"
    assert by["good"].low == pytest.approx(0.1) and by["random"].verdict == ""
    assert by["same"].gain == pytest.approx(0) and by["same"].verdict == "no better than random"
    assert by["lone"].verdict == "one seed: cannot be told" and math.isnan(by["lone"].low)


def test_options_are_part_of_the_name_and_of_what_is_kept(digits, tmp_path):
    one = parse_entry("d2:aum:start=product,gamma=0.3", "el2n")
    budget = {"40": Budget(count=40)}
    few = replace(plan("d2:aum:gamma=0.01", "d2:aum:gamma=9", seeds=(0,)), budgets=budget)
    made = run_benchmark(digits, few, tmp_path)
    by = {outcome.method: outcome for outcome in made if outcome.rule == "steps"}
    assert set(by) == {"d2:aum:gamma=0.01", "d2:aum:gamma=9", "random"}
    # another option is tried, and not told from what was kept of the first
    more = run_benchmark(digits, replace(few, entries=(one,)), tmp_path)
    assert {outcome.method for outcome in more} == {one.name, "random"}
    longer = replace(few, proxy_recipe=replace(RECIPE, epochs=7))
    with pytest.raises(BadInputError, match=r"another plan: epochs of the proxy 6 there, 7 here\."):
        run_benchmark(digits, longer, tmp_path)


def test_a_score_costs_what_its_training_took_also_after_an_interruption(
    digits, tmp_path, monkeypatch
):
    monkeypatch.setattr(named, "SUBSETS", 40)
    budgets = {"40": Budget(count=40)}
    given = replace(plan("hardest", "hardest:memorization", seeds=(0,)), budgets=budgets)
    run_benchmark(digits, given, tmp_path)
    (tmp_path / "outcomes.json").unlink()
    path = tmp_path / "signals-0" / "signals.json"
    told = json.loads(path.read_text())
    path.write_text(json.dumps(told | {"seconds": 1000.0}))
    lines = {line.method: line for line in lines_of(run_benchmark(digits, given, tmp_path))}
    assert lines["hardest:el2n"].score_seconds == pytest.approx(1000, abs=60)
    assert 0 < lines["hardest:memorization"].score_seconds < 900
    # 40 trainings on seven tenths: a row that is in 28 of them has 0.17
    assert 0.17 < lines["hardest:memorization"].score_error < 0.4
    assert lines["hardest:el2n"].score_error is None
    (sentence,) = errors(list(lines.values()))
    assert "hardest:memorization is 0." in sentence


def test_a_training_that_diverges_is_no_accuracy(digits, tmp_path):
    wild = replace(RECIPE, learning_rate=1e30)
    given = replace(plan("herding", seeds=(0,)), recipe=wild)
    with pytest.raises(BadInputError, match=r"herding, 40, equal epochs, seed 0: .* diverged"):
        run_benchmark(digits, given, tmp_path)
    assert not (tmp_path / "outcomes.json").exists()


def test_budgets_are_looked_at_for_every_seed_before_anything_is_trained(digits, tmp_path):
    rare = digits.labels.copy()
    rare[np.flatnonzero(rare == 3)[6:]] = 4  # six are left of 3: four or five to train on
    few = replace(digits, labels=rare, class_names=tuple("abcdefghij"))
    budgets = {"30%": Budget(fraction=0.3), "6 per class": Budget(per_class=6)}
    with pytest.raises(BadInputError, match="6 per class: class d has 5 rows to train on with"):
        run_benchmark(few, replace(plan("herding"), budgets=budgets), tmp_path)
    assert not (tmp_path / "outcomes.json").exists()


def test_a_budget_of_nothing(digits, tmp_path):
    with pytest.raises(BadInputError, match="keeps nothing"):
        run_benchmark(
            digits,
            Plan((), {"0": Budget(count=0)}, (0,), linear(64, 10), RECIPE, linear(64, 10), RECIPE),
            tmp_path,
        )
