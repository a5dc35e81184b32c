"""A pilot says what its probes show, and nothing else."""

import math

import numpy as np
import pytest

from selector.prune.pilot import Pilot, Trial, _decided, by_amount, gain_over, run_pilot


def names(count):
    return np.array([f"row-{n}" for n in range(count)], dtype=object)


def trials(hard, easy, random, share=1.0, fraction=0.5):
    made = []
    for strategy, values in (("hard", hard), ("easy", easy), ("random", random)):
        made += [
            Trial(strategy, share, 990 + seed, 500, fraction, 10, seed, value)
            for seed, value in enumerate(values)
        ]
    return tuple(made)


def test_gains_are_paired_by_seed():
    mean, low, high = gain_over({0: 0.5, 1: 0.7, 2: 0.9}, {0: 0.4, 1: 0.6, 2: 0.8, 3: 0.0})
    assert mean == pytest.approx(0.1) and low == pytest.approx(0.1) and high == pytest.approx(0.1)
    # differences 0.1 and 0.3: mean 0.2, s = 0.1414, t(0.975, 1) = 12.706
    mean, low, high = gain_over({0: 0.5, 1: 0.7}, {0: 0.4, 1: 0.4})
    assert (mean, high - mean) == (pytest.approx(0.2), pytest.approx(12.7062 * 0.1, rel=1e-4))
    assert math.isnan(gain_over({0: 0.5}, {0: 0.4})[1]) and math.isnan(gain_over({}, {})[0])


def test_accuracies_have_intervals_of_their_own():
    table = Pilot("random", "", trials([0.60, 0.62], [0.5, 0.5], [0.40, 0.42])).table()
    lines = {line["strategy"]: line for line in table}
    half = {name: line["accuracy_high"] - line["accuracy"] for name, line in lines.items()}
    # s = 0.01414, t(0.975, 1) = 12.706
    for name in ("hard", "random"):
        assert half[name] == pytest.approx(12.7062 * 0.01, rel=1e-4)
    assert lines["hard"]["accuracy_low"] == pytest.approx(0.61 - 0.127062, rel=1e-4)
    assert half["easy"] == 0 and lines["hard"]["gain"] == pytest.approx(0.2)


def test_intervals_of_accuracies_end_at_nothing_and_at_everything():
    table = Pilot("random", "", trials([0.6, 1.0], [0.1, 0.9], [0.9])).table()
    ends = {line["strategy"]: (line["accuracy_low"], line["accuracy_high"]) for line in table}
    assert ends["hard"] == ends["easy"] == (0, 1)
    assert all(map(math.isnan, ends["random"]))  # one seed says nothing, and is not made to


@pytest.mark.parametrize(
    ("hard", "easy", "random", "says"),
    [
        ([0.80, 0.81, 0.82], [0.70, 0.71, 0.72], [0.75, 0.76, 0.77], "hard"),
        ([0.70, 0.71, 0.72], [0.80, 0.81, 0.82], [0.75, 0.76, 0.77], "easy"),
        ([0.70, 0.71, 0.72], [0.70, 0.71, 0.72], [0.75, 0.76, 0.77], "random"),
        ([0.80, 0.60, 0.99], [0.70, 0.71, 0.72], [0.75, 0.76, 0.77], "random"),  # not certain
        ([0.80], [0.70], [0.75], "random"),  # one seed is no evidence
    ],
)
def test_it_says_what_is_better_with_confidence(hard, easy, random, says):
    found = _decided(trials(hard, easy, random), 0.5)
    assert found.strategy == says and "keep hard" in found.why and "99 images per" in found.why
    smaller = trials(easy, hard, random, share=0.1)
    assert _decided(smaller + trials(hard, easy, random), 0.5).strategy == says  # the last size


UP, DOWN, LEVEL = [0.80, 0.81, 0.82], [0.70, 0.71, 0.72], [0.75, 0.76, 0.77]


@pytest.mark.parametrize(
    ("hard", "easy", "given", "says"),
    [
        (UP, DOWN, "hard", "Probes found it better than random."),
        (UP, DOWN, "easy", "Probes found it worse than random."),
        (UP, DOWN, "random", "Probes found hard better than random."),
        (UP, UP, "random", "Probes found hard and easy better than random."),
        (LEVEL, DOWN, "hard", "Probes found it no better than random."),
        (LEVEL, DOWN, "random", "Probes found neither hard nor easy better than random."),
        ([0.99], [0.01], "hard", "Probes found it no better than random."),  # one seed
    ],
)
def test_a_strategy_that_was_given_is_judged_at_the_size_and_fraction_asked_for(
    hard, easy, given, says
):
    elsewhere = trials(easy, hard, LEVEL, share=0.1) + trials(easy, hard, LEVEL, fraction=0.2)
    found = _decided(elsewhere + trials(hard, easy, LEVEL), 0.5)
    assert found.verdict(given) == f"{says} {found.evidence}"
    assert found.evidence in found.why and "on 50% of 99" in found.evidence


def test_hard_pictures_that_are_mislabelled_lose():
    rng = np.random.default_rng(0)
    count, dim = 600, 12
    own = np.arange(count) % 4
    centres = 1.5 * rng.standard_normal((4, dim))
    rows = centres[own] + rng.standard_normal((count, dim))
    noisy = rng.random(count) < 0.25  # far from everything, and called anything
    rows[noisy] = 3 * rng.standard_normal((int(noisy.sum()), dim))
    classes = own.copy()
    classes[noisy] = rng.integers(0, 4, int(noisy.sum()))
    pilot = run_pilot(
        rows.astype(np.float16), classes, names(count), fraction=0.3,
        usable=np.ones(count, bool), prototypes=4, seeds=4, sizes=(0.5, 1.0), fractions=(0.6,),
    )  # fmt: skip
    table = {(line["share"], line["fraction"], line["strategy"]): line for line in pilot.table()}
    assert {key[:2] for key in table} == {(0.5, 0.3), (1.0, 0.3), (1.0, 0.6)}
    assert pilot.strategy != "hard"
    hard, easy = table[1.0, 0.3, "hard"], table[1.0, 0.3, "easy"]
    assert hard["high"] < 0 and hard["gain"] < easy["gain"] - 0.05
    assert table[1.0, 0.3, "random"]["gain"] == 0
    again = run_pilot(
        rows.astype(np.float16), classes, names(count), fraction=0.3,
        usable=np.ones(count, bool), prototypes=4, seeds=4, sizes=(0.5, 1.0), fractions=(0.6,),
    )  # fmt: skip
    assert again == pilot


def noise(count, dim=6):
    rng = np.random.default_rng(1)
    return rng.standard_normal((count, dim)).astype(np.float16), np.arange(count) % 3


def test_a_part_of_a_large_corpus_is_called_a_part():
    rows, classes = noise(300)
    given = {"fraction": 0.5, "usable": np.ones(300, bool), "seeds": 2, "sizes": (1.0,)}
    part = run_pilot(rows, classes, names(300), most=100, **given)
    assert {trial.rows for trial in part.trials} == {100} and part.pool == 240
    assert "The 100 were drawn from 240" in part.why
    assert part.part == "100 of the 240 pictures that are not held out"
    whole = run_pilot(rows, classes, names(300), **given)
    assert "drawn from" not in whole.why and whole.part == "all pictures that are not held out"
    series = np.repeat(np.arange(12), np.arange(3, 48, 4)[:12])[:300]  # every seed holds out others
    grouped = run_pilot(rows, classes, names(300), groups=series, **given | {"seeds": 5})
    assert len({trial.rows for trial in grouped.trials}) > 1
    assert "drawn from" not in grouped.why and grouped.part == whole.part


def test_a_pilot_prunes_as_the_corpus_will_be():
    rows, classes = noise(300)
    rows[150:] = rows[:150]  # each row twice
    given = {
        "fraction": 0.9, "usable": np.ones(300, bool), "seeds": 2, "sizes": (1.0,),
        "groups": np.arange(300) % 150, "prototypes": 4,
    }  # fmt: skip
    plain = run_pilot(rows, classes, names(300), **given)
    less = run_pilot(rows, classes, names(300), duplicates={"threshold": 0.9999}, **given)
    assert {trial.kept for trial in plain.trials} == {216}
    assert {trial.kept for trial in less.trials} == {120}  # of each pair one is left
    clusters = run_pilot(rows, classes, names(300), balance=1.0, balance_by="clusters", **given)
    labels = run_pilot(rows, classes, names(300), balance=1.0, **given)
    assert clusters != labels and {trial.kept for trial in clusters.trials} == {216}


def test_too_little_for_a_pilot():
    rows = np.eye(40, dtype=np.float32)
    usable = np.ones(120, bool)
    few = run_pilot(rows, np.arange(40) % 2, names(40), fraction=0.5, usable=usable[:40])
    three = np.tile(rows, (3, 1))
    one_class = run_pilot(three, np.zeros(120, int), names(120), fraction=0.5, usable=usable)
    one_group = run_pilot(
        three, np.arange(120) % 2, names(120), fraction=0.5, usable=usable, groups=np.zeros(120)
    )
    assert few is None and one_class is None and one_group is None


def test_probes_that_would_see_nothing_are_left_out():
    rows, classes = noise(600)
    given = {"usable": np.ones(600, bool), "seeds": 2, "fractions": (0.5,)}
    six = run_pilot(rows, classes, names(600), fraction=6 / 600, **given)
    assert {t.kept for t in six.trials if t.fraction == 0.01} == {1, 5}  # 48, 144 and 480 rows
    assert {t.share for t in six.trials if t.fraction == 0.01} == {0.3, 1.0}
    assert run_pilot(rows, classes, names(600), fraction=0.5 / 600, **given) is None


@pytest.mark.parametrize(
    ("rows", "prototypes", "says"),
    [(1_281_167, 1_000, "hard"), (4_000, 4, "hard"), (3_999, 4, "random"), (0, 1, "random")],
)
def test_without_probes_the_amount_of_data_decides(rows, prototypes, says):
    found = by_amount(rows, prototypes)
    assert found.strategy == says and found.trials == ()
    each = f"each of {prototypes:,} prototypes" if prototypes > 1 else "the one prototype"
    assert f"there are {rows / prototypes:,.0f} images for {each}" in found.why
    for words in ("from 1,000 on", "not tested on this corpus, as there are no classes",
                  "--columns label=NAME"):  # fmt: skip
        assert words in found.why
    said = by_amount(rows, prototypes, "--probe none was given").why
    assert said.endswith("as --probe none was given.") and "--columns" not in said


def test_one_image_for_one_prototype_is_said_in_the_singular():
    assert "there is 1 image for the one prototype" in by_amount(1, 1).why


def test_an_empty_pilot_has_no_table():
    assert Pilot("random", "").table() == []
