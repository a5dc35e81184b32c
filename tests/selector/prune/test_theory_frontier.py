"""Best fractions and crossovers, as the spec lists them."""

import pytest

from data_cards.errors import BadInputError
from selector.prune.theory import error, solve
from selector.prune.theory_frontier import best_fraction, crossover


@pytest.mark.parametrize(
    ("theta", "alpha", "fraction", "percent"),
    [(0, 1, 0.95, 26.4), (0, 1.5, 0.69, 20.6), (0, 1.8, 0.38, 15.8), (0, 1.9, 0.23, 13.1),
     (10, 4, 0.22, 3.89), (10, 16, 0.11, 0.64), (20, 2, 0.66, 16.7), (20, 8, 0.28, 2.76),
     (40, 4, 0.65, 9.79), (40, 16, 0.38, 2.20)],
)  # fmt: skip
def test_best_fractions(theta, alpha, fraction, percent) -> None:
    best = best_fraction(alpha, theta=theta)
    assert abs(best.fraction - fraction) < 0.02 and not best.at_bound
    assert abs(100 * best.error - percent) < 0.05
    assert best.error == pytest.approx(solve(alpha, best.fraction, theta=theta).error, abs=1e-9)


def test_the_cliff_is_the_bounds() -> None:
    best = best_fraction(2)
    assert best.at_bound and best.fraction == pytest.approx(0.01)
    assert best_fraction(2, smallest=0.001).error < best.error / 2


def test_the_frontier_is_below_every_fraction() -> None:
    for alpha in (0.5, 3):
        best = best_fraction(alpha, theta=20)
        for fraction in (0.05, 0.2, 0.5, 0.9, 1):
            assert best.error <= solve(alpha, fraction, theta=20).error + 1e-9


def test_scarce_data_are_kept_whole() -> None:
    assert best_fraction(0.3).fraction == 1


def test_crossovers() -> None:
    wanted = (20.1, 10.3, 7.2, 5.8, 5.05, 4.9, 6.1, 9.7, 19.9)
    for tenth, total in enumerate(wanted, 1):
        assert crossover(tenth / 10) == pytest.approx(total, abs=0.05)
    total = crossover(0.4)
    assert error(total, 0.4) == pytest.approx(error(total, 0.4, keep="easy"), rel=1e-3)
    assert error(total / 2, 0.4) > error(total / 2, 0.4, keep="easy")


def test_hard_may_never_win() -> None:
    assert crossover(0.02, theta=20) is None
    assert crossover(0.5, theta=90) is None  # a probe that knows nothing: all ways are equal


def test_out_of_range() -> None:
    for wrong in (lambda: crossover(1), lambda: best_fraction(1, smallest=1), lambda: crossover(0)):
        with pytest.raises(BadInputError):
            wrong()
