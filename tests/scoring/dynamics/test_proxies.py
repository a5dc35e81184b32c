"""Vectors as a linear layer learns from them."""

import numpy as np

from scoring.dynamics.proxies import centred


def test_mean_and_scale_are_those_of_the_rows_named():
    rng = np.random.default_rng(0)
    rows = rng.normal(3.0, 0.01, (50, 7))
    train = np.arange(0, 50, 2)
    made = centred(rows, train)
    assert made.dtype == np.float32 and made.shape == rows.shape
    np.testing.assert_allclose(made[train].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(np.square(made[train]).mean(), 1, rtol=1e-5)
    other = rows.copy()
    other[1::2] = 1e6  # what is not named plays no part
    assert np.array_equal(centred(other, train)[train], made[train])


def test_one_scale_keeps_directions_and_ignores_shift_and_unit():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(20, 4)) * [1, 10, 100, 1000]
    np.testing.assert_allclose(centred(5 * rows + 9), centred(rows), rtol=1e-4, atol=1e-5)
    spread = centred(rows).std(axis=0)
    assert spread[3] > 50 * spread[1]


def test_equal_rows_stay_finite():
    assert not centred(np.ones((3, 2))).any()
