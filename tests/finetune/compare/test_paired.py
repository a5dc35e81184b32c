"""Paired differences: by hand, against scipy, and how often nothing is taken for something."""

import numpy as np
import pytest

from finetune.compare import paired
from finetune.compare.paired import Difference, difference, holm, verdict_of


def test_by_hand():
    tokens = np.array([2, 2])
    random = np.array([[4.0, 4.0], [6.0, 6.0]])
    arm = np.array([[3.0, 3.0], [4.0, 4.0]])
    found = difference(arm, random, tokens, ["a", "b"])
    assert found.value == pytest.approx((0.5 + 1.0) / 2) and found.seeds == 2
    assert found.error == pytest.approx(0.25)
    assert found.low == pytest.approx(0.75 - 12.706 * 0.25, abs=1e-3)


def test_the_p_value_is_that_of_scipys_paired_test():
    from scipy.stats import ttest_rel

    generator = np.random.default_rng(0)
    tokens = generator.integers(1, 9, 12)
    arm, random = generator.random((5, 12)), generator.random((5, 12)) + 0.1
    found = difference(arm, random, tokens, range(12))
    expected = ttest_rel(random.sum(1) / tokens.sum(), arm.sum(1) / tokens.sum())
    assert found.p == pytest.approx(expected.pvalue)


def test_arm_and_baseline_changed_over_change_the_sign():
    generator = np.random.default_rng(1)
    tokens = np.ones(8)
    a, b = generator.random((4, 8)), generator.random((4, 8))
    one, other = difference(a, b, tokens, range(8)), difference(b, a, tokens, range(8))
    assert one.value == pytest.approx(-other.value) and one.p == pytest.approx(other.p)
    assert one.low == pytest.approx(-other.high)


def test_no_difference_is_seldom_taken_for_one():
    generator = np.random.default_rng(2)
    tokens = np.ones(40)
    wrong = 0
    for _ in range(60):
        a, b = generator.standard_normal((2, 5, 40))
        wrong += difference(a, b, tokens, range(40)).verdict in ("better", "worse")
    assert wrong <= 6


def test_a_clear_difference_is_seen_and_named():
    generator = np.random.default_rng(3)
    arm = generator.standard_normal((5, 40))
    tokens = np.ones(40)
    little = 0.1 * generator.random((5, 40))
    assert difference(arm, arm + 1 + little, tokens, range(40)).verdict == "better"
    assert difference(arm + 1, arm + little, tokens, range(40)).verdict == "worse"
    assert difference(arm, arm, tokens, range(40)).verdict == "no better"
    assert "one seed" in difference(arm[:1], arm[:1] + 1, tokens, range(40)).verdict


def test_samples_of_one_image_are_drawn_together():
    """One image with all the gain: the interval over images must reach far."""
    arm = np.zeros((5, 20))
    random = np.zeros((5, 20))
    random[:, :10] = 1.0
    random += 0.01 * np.random.default_rng(4).random((5, 20))
    apart = difference(arm, random, np.ones(20), range(20))
    together = difference(arm, random, np.ones(20), ["one"] * 10 + [*range(10)])
    assert together.low_both < apart.low_both


def test_the_seed_of_the_bootstrap_hardly_moves_an_interval():
    """Its ends, relative to its width, over twenty seeds; 4,000 draws moved them by 1 %."""
    generator = np.random.default_rng(5)
    arm, random = generator.standard_normal((2, 5, 60))
    spans = [
        (found.low_both, found.high_both)
        for found in (difference(arm, random, np.ones(60), range(60), seed=n) for n in range(20))
    ]
    width = np.mean([high - low for low, high in spans])
    assert np.std(spans, axis=0).max() < 0.006 * width


def test_the_interval_over_seeds_and_images_holds_the_truth_with_few_seeds(monkeypatch):
    """Gains that differ by seed alone, then by image alone: 19 of 20 intervals hold 0.

    Resampling five seeds holds it in 84 % of the first.
    """
    monkeypatch.setattr(paired, "DRAWS", 2000)
    generator = np.random.default_rng(6)
    for by_seed, by_image in ((1.0, 0.1), (0.05, 1.0), (0.3, 1.0)):
        held = 0
        for _ in range(300):
            gains = by_seed * generator.standard_normal((5, 1))
            gains = gains + by_image * generator.standard_normal(30)
            gains = gains + 0.1 * generator.standard_normal((5, 30))
            found = difference(-gains, np.zeros((5, 30)), np.ones(30), range(30))
            held += found.low_both < 0 < found.high_both
        assert held / 300 > 0.92, (by_seed, by_image)


def test_the_two_parts_of_the_interval_by_hand():
    """Seeds alone: the t interval. Images alone: 1.96 standard errors, nearly."""
    seeds = np.repeat(np.array([[0.1], [0.2], [0.4]]), 50, axis=1)
    found = difference(-seeds, np.zeros((3, 50)), np.ones(50), range(50))
    assert (found.low_both, found.high_both) == pytest.approx((found.low, found.high), rel=1e-3)
    image = np.tile(np.random.default_rng(8).standard_normal(200), (2, 1))
    found = difference(-image, np.zeros((2, 200)), np.ones(200), range(200))
    error = image[0].std(ddof=1) / np.sqrt(200)
    assert found.high_both - found.low_both == pytest.approx(2 * 1.96 * error, rel=0.03)


def test_one_image_tells_nothing_of_others():
    gains = np.array([[1.0, 1.1], [1.2, 1.0], [1.1, 1.1]])
    found = difference(-gains, np.zeros((3, 2)), np.ones(2), ["one", "one"])
    assert np.isnan(found.low_both) and found.low > 0
    assert found.verdict == "one image: cannot be told"


@pytest.mark.parametrize(
    ("p", "told"), [(0.049, "better"), (0.05, "no better"), (float("nan"), "no better")]
)
def test_better_never_stands_beside_a_corrected_p_above_a_twentieth(p, told):
    clear = Difference(0.1, 0.01, 0.07, 0.13, 0.001, 0.05, 0.15, 5)
    assert clear.verdict == "better" and verdict_of(clear, p) == told
    harm = Difference(-0.1, 0.01, -0.13, -0.07, 0.001, -0.15, -0.05, 5)
    assert verdict_of(harm, p) == {"better": "worse"}.get(told, told)
    one = Difference(0.1, float("nan"), float("nan"), float("nan"), float("nan"), 0.05, 0.15, 1)
    assert verdict_of(one, p) == "one seed: cannot be told"


def test_holm():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    found = holm([0.5, float("nan"), 0.6])
    assert found[0] == found[2] == 1.0 and np.isnan(found[1])
