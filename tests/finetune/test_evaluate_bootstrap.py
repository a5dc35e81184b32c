import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from finetune.evaluate.bootstrap import (
    bootstrap,
    mean,
    ratio,
    ratio_difference,
    shared_images,
)


def test_value_is_the_ratio_of_the_sums_worked_by_hand():
    parts = np.array([[2.0, 1.0], [6.0, 3.0], [1.0, 4.0]])
    found = bootstrap(parts, ["a", "b", "c"], ratio, draws=300)
    assert found.value == pytest.approx(9 / 8)
    assert (found.samples, found.clusters) == (3, 3)
    # Every resample lies between the smallest and the largest ratio of a single cluster.
    assert 1 / 4 <= found.low <= found.value <= found.high <= 2


def test_equals_a_naive_bootstrap_with_the_same_draws():
    generator = np.random.default_rng(7)
    values = generator.normal(size=40)
    labels = [f"{i // 2:02d}" for i in range(40)]
    found = mean(values, labels, draws=500, seed=3)
    sums = np.array([[values[2 * i] + values[2 * i + 1], 2.0] for i in range(20)])
    places = np.random.default_rng(3).integers(0, 20, (500, 20))
    drawn = np.array([sums[row].sum(axis=0) for row in places])
    # Hesterberg's expanded percentiles for 20 clusters: t(19) = 2.093, times (20 / 19) ** 0.5.
    tail = norm.cdf(-2.0930 * (20 / 19) ** 0.5)
    assert 0.015 < tail < 0.0165
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [tail, 1 - tail])
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


@given(st.permutations(range(9)), st.integers(0, 5))
def test_the_order_of_the_samples_has_no_influence(order, seed):
    values = np.arange(9.0) ** 2
    labels = ["a", "a", "b", "c", "c", "c", "d", "e", "f"]
    plain = mean(values, labels, draws=200, seed=seed)
    mixed = mean(values[list(order)], [labels[i] for i in order], draws=200, seed=seed)
    assert (mixed.low, mixed.high) == pytest.approx((plain.low, plain.high))


def test_samples_that_share_an_image_are_not_counted_as_independent():
    values = np.repeat(np.random.default_rng(0).normal(size=30), 10)
    alone = mean(values, list(range(300)), draws=400)
    together = mean(values, [i // 10 for i in range(300)], draws=400)
    assert together.high - together.low > 2 * (alone.high - alone.low)


@pytest.mark.parametrize("size", [8, 60])
def test_intervals_of_a_mean_hold_the_truth_about_as_often_as_they_say(size):
    generator = np.random.default_rng(1)
    held = 0
    for seed in range(600):
        found = mean(generator.normal(size=size), list(range(size)), draws=400, seed=seed)
        held += found.low <= 0 <= found.high
    # Plain percentiles hold it in 89 % only where there are eight.
    assert 0.925 <= held / 600 <= 0.98


def test_a_share_that_was_always_right_is_not_certain():
    found = mean(np.ones(20), list(range(20)))
    assert found.value == 1
    assert found.high == 1
    assert found.low == pytest.approx(0.8316, abs=1e-3)  # Clopper-Pearson of 20 in 20
    assert mean(np.zeros(20), list(range(20))).high == pytest.approx(1 - 0.8316, abs=1e-3)


def test_one_cluster_has_no_interval_and_nothing_has_no_value():
    found = mean(np.array([0.5, 0.7]), ["a", "a"])
    assert found.value == pytest.approx(0.6)
    assert found.low is None and found.high is None
    nothing = mean(np.array([]), [])
    assert np.isnan(nothing.value) and nothing.samples == 0


def test_a_paired_difference_is_narrower_than_two_single_intervals():
    generator = np.random.default_rng(2)
    first = generator.normal(size=200)
    second = first + 0.1 + generator.normal(scale=0.01, size=200)
    ones = np.ones(200)
    parts = np.column_stack([second, ones, first, ones])
    found = bootstrap(parts, list(range(200)), ratio_difference, draws=400)
    assert found.value == pytest.approx((second - first).mean())
    assert 0.09 < found.low < found.high < 0.11


def test_images_in_common_join_samples_also_by_way_of_others():
    images = [["x"], ["x", "y"], ["y"], ["z"], [], []]
    labels = shared_images(images, list("abcdef"))
    assert labels[0] == labels[1] == labels[2]
    assert len(set(labels)) == 4
    turned = shared_images([row[::-1] for row in images[::-1]], list("fedcba"))
    assert turned[::-1] == labels
