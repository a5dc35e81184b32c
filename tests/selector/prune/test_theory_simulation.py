"""Trained students do what the theory says."""

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from data_cards.errors import BadInputError
from selector.prune.theory import solve
from selector.prune.theory_simulation import largest_margin, simulate


@pytest.mark.parametrize(
    ("total", "fraction", "theta", "keep"),
    [(2, 1, 0, "hard"), (4, 0.5, 0, "hard"), (8, 0.25, 0, "hard"), (2, 0.5, 0, "easy"),
     (4, 0.5, 20, "hard"), (8, 0.25, 20, "hard"), (4, 0.5, 40, "hard"), (3, 0.5, 30, "easy")],
)  # fmt: skip
def test_simulation_agrees_with_theory(total, fraction, theta, keep) -> None:
    alpha = total * fraction
    found = simulate(alpha, fraction, theta=theta, keep=keep, dimension=200, draws=12, seed=3)
    wanted = solve(alpha, fraction, theta=theta, keep=keep)
    assert abs(found.error - wanted.error) < 3 * found.standard_error
    assert found.margin == pytest.approx(wanted.margin, rel=0.1)  # finite N: seven per cent
    assert found.probe_overlap == pytest.approx(wanted.probe_overlap, abs=0.05)


def test_the_signed_margin_is_another_rule() -> None:
    by_field, by_margin = (
        simulate(2, 0.5, theta=40, rank_by=rank, draws=6) for rank in ("field", "margin")
    )
    assert by_field.error == pytest.approx(0.217, abs=0.02)
    assert by_margin.error == pytest.approx(0.254, abs=0.02)
    same, too = (simulate(2, 0.5, rank_by=rank, draws=1) for rank in ("field", "margin"))
    assert same.error == too.error  # at theta = 0 the probe is the teacher


def test_largest_margin_by_hand() -> None:
    # two samples (0, 1) and (2, 1), both +: the widest street through 0 is the axis w = (0, 1)
    weights, margin = largest_margin(np.array([[0.0, 1.0], [2.0, 1.0]]), np.ones(2))
    assert np.allclose(weights, [0, 1]) and margin == pytest.approx(1)
    weights, margin = largest_margin(np.array([[3.0, 4.0]]), np.array([-1.0]))
    assert np.allclose(weights, [-0.6, -0.8]) and margin == pytest.approx(5)


def test_largest_margin_equals_a_support_vector_machine() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 12))
    label = np.sign(x @ rng.standard_normal(12))
    weights, margin = largest_margin(x, label)
    machine = LinearSVC(C=1e6, fit_intercept=False, loss="hinge", max_iter=2_000_000, tol=1e-9)
    other = machine.fit(x, label).coef_[0]
    assert weights @ other / np.linalg.norm(other) == pytest.approx(1, abs=1e-3)
    assert margin >= (label * (x @ other)).min() / np.linalg.norm(other) - 1e-9


def test_what_no_vector_can_tell_apart() -> None:
    x = np.array([[1.0, 0.0], [1.0, 0.0]])
    with pytest.raises(BadInputError, match="told apart"):
        largest_margin(x, np.array([1.0, -1.0]))


def test_seeds_and_the_global_generator() -> None:
    state = np.random.get_state()[1].copy()
    one, same, other = (simulate(1, 0.5, dimension=40, draws=2, seed=s) for s in (1, 1, 2))
    assert one == same and one.error != other.error
    assert (np.random.get_state()[1] == state).all()
    assert np.isnan(simulate(1, 0.5, dimension=40, draws=1).standard_error)


def test_out_of_range() -> None:
    for words in ({"fraction": 0}, {"fraction": 2}, {"theta": -1}, {"draws": 0}, {"keep": "best"},
                  {"alpha": 1e-9}, {"alpha": 1e6}, {"rank_by": "size"}):  # fmt: skip
        with pytest.raises(BadInputError):
            simulate(**{"alpha": 1.0, "fraction": 0.5, **words})
