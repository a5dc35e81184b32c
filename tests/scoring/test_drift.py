"""Drift: seldom where there is none, found where it was planted."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from scoring.drift import ALPHA, SMALLEST, cliffs_delta, energy_test, holm, measure_drift

NAMES = ("a", "b", "c", "whole", "nearest_distance")


def draw(rng: np.random.Generator, n: int, shift: float = 0.0):
    """Correlated columns, one with ties, one with missing values; vectors that belong to them."""
    x = rng.standard_normal((n, 8))
    x[:, 0] += shift
    columns = {
        "a": x[:, 0],
        "b": x[:, 0] + 0.3 * x[:, 1],
        "c": np.where(rng.random(n) < 0.2, np.nan, x[:, 2]),
        "whole": np.round(x[:, 3]),
        "nearest_distance": np.abs(x[:, 4]) + 0.1 * x[:, 0] ** 2,
    }
    return columns, x / np.linalg.norm(x, axis=1, keepdims=True)


def test_halves_of_one_pool_seldom_drift():
    rng = np.random.default_rng(0)
    columns, vectors = draw(rng, 300)
    draws, alarms = 200, 0
    for seed in range(draws):
        order = rng.permutation(300)
        first, second = order[:170], order[170:]
        drift = measure_drift(
            {n: v[first] for n, v in columns.items()},
            {n: v[second] for n, v in columns.items()},
            vectors=(vectors[first][:60], vectors[second][:60]),
            seed=seed,
        )
        alarms += bool(drift.drifted)
        assert len(drift.measures) == len(NAMES) + 2
    # 1 in 100 at most are expected: more than 6 of 200 would come up in fewer than 1 % of tests
    assert alarms <= 6
    assert "No drift" in drift.sentence or drift.drifted


def test_a_planted_shift_is_found_and_named():
    rng = np.random.default_rng(1)
    reference, vectors = draw(rng, 400)
    batch, shifted = draw(rng, 150, shift=1.0)
    drift = measure_drift(reference, batch, vectors=(vectors[:150], shifted))
    names = {m.name for m in drift.drifted}
    assert {"a", "b", "embedding space (energy distance)"} <= names
    assert not names & {"c", "whole"}
    a = next(m for m in drift.measures if m.name == "a")
    assert a.effect > 0.4 and a.statistic > a.expected and "a (higher, " in drift.sentence
    assert drift.as_dict()["drifted"] == [m.name for m in drift.drifted]


def test_missing_values_are_a_drift():
    rng = np.random.default_rng(2)
    reference, _ = draw(rng, 300)
    batch, _ = draw(rng, 100)
    batch["b"] = np.full(100, np.nan)
    drift = measure_drift(reference, batch)
    assert [m.name for m in drift.drifted] == ["b"]
    assert drift.drifted[0].batch is None


def test_far_rows_are_found():
    rng = np.random.default_rng(3)
    reference = {"nearest_distance": rng.random(500)}
    batch = {"nearest_distance": np.concatenate([rng.random(190), np.full(10, 2.0)])}
    drift = measure_drift(reference, batch)
    far = next(m for m in drift.measures if m.kind == "far")
    assert far.drifted and far.statistic >= 0.05
    assert far.expected <= 0.01


def test_far_rows_have_an_honest_p_value_also_beside_a_small_reference():
    rng = np.random.default_rng(4)
    p = []
    for _ in range(400):
        columns = {"nearest_distance": rng.random(60)}, {"nearest_distance": rng.random(300)}
        p.append(next(m.p_value for m in measure_drift(*columns).measures if m.kind == "far"))
    assert (np.array(p) < 0.05).mean() < 0.08


def test_holm_by_hand():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.9, 0.8]), [1.0, 1.0])


def test_energy_distance_equals_the_plain_formula():
    rng = np.random.default_rng(5)
    x, y = (rng.standard_normal((n, 4)) for n in (30, 40))
    x, y = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (x, y))

    def mean(a, b):
        return np.linalg.norm(a[:, None] - b[None], axis=2).mean()

    value, expected, p = energy_test(x, y, permutations=500, seed=0)
    assert value == pytest.approx(2 * mean(x, y) - mean(x, x) - mean(y, y), abs=1e-5)
    assert 0 < expected < 0.2 and p > 0.01
    again = energy_test(x, y, permutations=500, seed=0)
    assert again == (value, expected, p)
    assert energy_test(x, x + 1.0, permutations=500, seed=0)[2] == pytest.approx(1 / 501)


def test_cliffs_delta_is_the_rank_statistic():
    rng = np.random.default_rng(6)
    a, b = rng.integers(0, 6, 40).astype(float), rng.integers(1, 7, 50).astype(float)
    u = mannwhitneyu(b, a).statistic
    assert cliffs_delta(a, b) == pytest.approx(2 * u / (40 * 50) - 1)
    assert cliffs_delta(np.array([np.nan]), b) == 0.0


def test_too_small_a_batch_says_so():
    drift = measure_drift({"a": np.arange(100.0)}, {"a": np.arange(SMALLEST - 1.0)})
    assert not drift.measures and "Too few rows" in drift.sentence and not drift.drifted
    assert ALPHA == 0.01
