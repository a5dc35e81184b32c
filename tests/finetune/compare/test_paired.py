"""Paired differences: by hand, against scipy, and how often nothing is taken for something."""

import numpy as np
import pytest

from finetune.compare.paired import difference, holm


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


def test_holm():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    found = holm([0.5, float("nan"), 0.6])
    assert found[0] == found[2] == 1.0 and np.isnan(found[1])
