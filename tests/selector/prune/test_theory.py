"""The perceptron's test vectors, its saddle-point equations, and the properties it must have."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import ndtr, ndtri

from data_cards.errors import BadInputError
from selector.prune import theory, theory_nodes
from selector.prune.theory import error, solve

VECTORS = [  # theta, alpha, f: error, kappa, R, rho; specs/prototype_pruning.md, section 6
    (0, 2, 0.5, 0.13610, 0.25015, 0.90998, 0.90998),
    (10, 2, 0.5, 0.14707, 0.25706, 0.89514, 0.87621),
    (20, 2, 0.5, 0.18010, 0.29139, 0.84417, 0.75121),
    (40, 2, 0.5, 0.21699, 0.38658, 0.77651, 0.43178),
]
FRACTIONS = (1, 0.8, 0.6, 0.4, 0.2, 0.1)
PERCENT = {  # keep hard at theta = 0
    0.5: (32.88, 35.51, 38.81, 42.40, 46.16, 48.07),
    1.5: (22.16, 20.82, 20.81, 23.16, 31.63, 39.73),
    3: (14.28, 12.01, 9.49, 6.67, 3.47, 1.76),
    6: (7.96, 6.47, 4.92, 3.31, 1.66, 0.83),
    10: (4.92, 3.96, 2.98, 2.00, 1.00, 0.50),
}


@pytest.mark.parametrize("vector", VECTORS)
def test_vectors(vector) -> None:
    theta, alpha, fraction, *wanted = vector
    found = solve(alpha, fraction, theta=theta)
    assert abs(found.error - wanted[0]) < 5e-5
    got = (found.margin, found.teacher_overlap, found.probe_overlap)
    assert np.allclose(got, wanted[1:], rtol=0, atol=1e-4)
    assert found.alpha_total == alpha / fraction


@pytest.mark.parametrize("theta", [0, 7, 45, 90])
@pytest.mark.parametrize("keep", ["hard", "easy"])
def test_all_kept_does_not_ask_the_probe(theta, keep) -> None:
    found = solve(2, 1, theta=theta, keep=keep)
    assert abs(found.error - 0.18848) < 5e-5
    assert abs(found.margin - 0.45458) < 1e-4 and abs(found.teacher_overlap - 0.82976) < 1e-4
    assert abs(found.probe_overlap - 0.82976 * np.cos(np.radians(theta))) < 1e-4
    assert (found.theta, found.keep) == (theta, keep)


@pytest.mark.parametrize("alpha", PERCENT)
def test_table_of_errors(alpha) -> None:
    got = [100 * solve(alpha, fraction).error for fraction in FRACTIONS]
    assert np.allclose(got, PERCENT[alpha], rtol=0, atol=0.0101)


def test_sanity_facts() -> None:
    for alpha, product in ((10, 0.4918), (20, 0.4983), (40, 0.4999)):
        assert abs(alpha * solve(alpha, 1).error - product) < 1e-4
    assert abs(100 * solve(4, 0.01).error - 0.1257) < 1e-4
    assert abs(100 * solve(2, 0.01).error - 3.50) < 0.01
    assert abs(100 * solve(2, 0.001).error - 1.62) < 0.01
    assert abs(solve(1, 0.5, keep="easy").error - 0.1818) < 5e-5
    for total, fraction, hard, easy in (
        (2, 0.4, 38.3, 18.8),
        (8, 0.4, 6.2, 7.4),
        (12, 0.2, 5.1, 7.3),
    ):
        assert abs(100 * error(total, fraction) - hard) < 0.05
        assert abs(100 * error(total, fraction, keep="easy") - easy) < 0.05
    ruined, random = solve(4, 0.1, theta=20).error, solve(4, 1).error
    assert 2.5 < ruined / random < 3.5


@pytest.mark.parametrize(("theta", "keep"), [(0, "easy"), (20, "hard"), (70, "easy")])
def test_the_margin_does_not_depend_on_what_was_asked_before(theta, keep) -> None:
    nodes = theory_nodes.kept_nodes(0.3, theta, keep)
    used = theory._Problem(3.0, *nodes, flat=theta == 0)
    for length in (0.1, 300.0, 2.0, 0.0, 40.0):
        p = np.full(len(used.fields), length)
        fresh = theory._Problem(3.0, *nodes, flat=theta == 0)
        for got, wanted in zip(used.margin(p), fresh.margin(p), strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-8, atol=1e-10)


def test_a_single_bad_start_is_not_the_end() -> None:
    # Named in the spec: stops at 2.6 % from a single start.
    assert abs(100 * solve(16, 0.11, theta=10).error - 0.64) < 0.005


@pytest.mark.parametrize(
    "case", [(10, 16, 0.11, "hard"), (3, 4, 0.05, "hard"), (10, 8, 0.2, "easy")]
)
def test_one_optimum_from_every_start(case) -> None:
    theta, alpha, fraction, keep = case
    problem = theory._Problem(alpha, *theory_nodes.kept_nodes(fraction, theta, keep), flat=False)
    starts = problem._starts(theta)
    found = []
    for start in starts:
        problem._starts = lambda _, start=start: [start]
        try:
            found.append(problem.best(theta)[1])
        except ArithmeticError:
            continue  # did not settle, and said so: solve() goes to the next start
    assert len(found) >= len(starts) // 2
    assert np.ptp(found) < 1e-8 * max(found)


def kept(fraction, keep):
    if keep == "hard":
        edge = -ndtri((1 - fraction) / 2)
        return [(-edge, 0.0), (0.0, edge)]
    edge = -ndtri(fraction / 2)
    return [(-9.0, -edge), (edge, 9.0)]


@pytest.mark.parametrize(
    "case",
    [(2, 0.5, 20, "hard"), (2, 0.25, 40, "hard"), (1.5, 0.5, 30, "easy"), (4, 0.8, 60, "hard")],
)
def test_saddle_point_equations_above_zero(case) -> None:
    """E1 to E3 of the spec, by another quadrature than the solver's."""
    alpha, fraction, theta, keep = case
    found = solve(alpha, fraction, theta=theta, keep=keep)
    r, rho, kappa = found.teacher_overlap, found.probe_overlap, found.margin
    c, s2 = np.cos(np.radians(theta)), np.sin(np.radians(theta)) ** 2
    lam = np.sqrt(s2 - r**2 - rho**2 + 2 * rho * r * c)
    left = 1 - rho**2
    x, weight = np.polynomial.legendre.leggauss(120)
    t = kappa + (x - 1) * 6.5
    of_t = weight * 6.5

    def over_t(z, which):
        q = np.exp(-(z * z * (rho**2 + c * c - 2 * rho * r * c)
                     + 2 * t * z * (r * c - rho) + t * t * s2) / (2 * lam**2))  # fmt: skip
        g = np.exp(-((t - rho * z) ** 2) / (2 * left)) / np.sqrt(2 * np.pi * left)
        h = ndtr(-(z * (rho * r - c) - t * (r - rho * c)) / (np.sqrt(left) * lam))
        e3 = g * h * (z - rho * t) / left + q / (2 * np.pi * lam) * (rho * r - c) / left
        integrand = (q * (kappa - t), g * h * (kappa - t) ** 2, e3 * (kappa - t))[which]
        return of_t @ integrand * np.exp(-z * z / 2) / (np.sqrt(2 * np.pi) * fraction)

    def mean(which):
        ends = kept(fraction, keep)
        return sum(quad(over_t, *end, args=(which,), epsabs=1e-9, limit=200)[0] for end in ends)

    assert (r - rho * c) / s2 == pytest.approx(alpha / (np.pi * lam) * mean(0), abs=1e-5)
    right = 2 * alpha * mean(1)
    assert 1 - (rho**2 + r**2 - 2 * rho * r * c) / s2 == pytest.approx(right, abs=1e-5)
    assert (rho - r * c) / s2 == pytest.approx(2 * alpha * mean(2), abs=1e-5)


@pytest.mark.parametrize(("alpha", "fraction"), [(2, 0.5), (1, 0.9), (5, 0.3)])
def test_saddle_point_equations_at_zero(alpha, fraction) -> None:
    found = solve(alpha, fraction)
    r, kappa, gamma = found.teacher_overlap, found.margin, -ndtri((1 - fraction) / 2)
    v = np.sqrt(1 - r * r)

    def first(t):
        cut = 1 - np.exp(-gamma * (gamma - 2 * r * t) / (2 * v * v))
        return np.exp(-t * t / 2 - (r * t) ** 2 / (2 * v * v)) * cut * (kappa - t)

    def second(t):
        inside = ndtr(r * t / v) - ndtr((r * t - gamma) / v)
        return np.exp(-t * t / 2) * inside * (kappa - t) ** 2

    one, two = (quad(f, -12, kappa, epsabs=1e-10, limit=400)[0] / np.sqrt(2 * np.pi)
                for f in (first, second))  # fmt: skip
    assert r == pytest.approx(2 * alpha / (fraction * np.sqrt(2 * np.pi) * v) * one, abs=1e-5)
    assert 1 - r * r == pytest.approx(2 * alpha / fraction * two, abs=1e-5)


@settings(max_examples=25)
@given(
    alpha=st.floats(0.05, 60),
    fraction=st.floats(0.005, 1),
    theta=st.one_of(st.just(0.0), st.floats(0.5, 90)),
    keep=st.sampled_from(["hard", "easy"]),
)
def test_a_solution_is_possible(alpha, fraction, theta, keep) -> None:
    found = solve(alpha, fraction, theta=theta, keep=keep)
    assert 0 < found.error < 0.5 and found.margin > 0
    assert found.error == pytest.approx(np.arccos(found.teacher_overlap) / np.pi, abs=1e-6)
    angle = np.degrees(np.arccos(np.clip(found.probe_overlap, -1, 1)))
    assert abs(angle - theta) <= 180 * found.error + 1e-4  # angles between three vectors
    assert solve(alpha * 1.1, fraction, theta=theta, keep=keep).margin < found.margin


@settings(max_examples=20)
@given(alpha=st.floats(0.02, 300))
def test_more_data_is_better_when_all_is_kept(alpha) -> None:
    assert solve(alpha * 1.05, 1).error < solve(alpha, 1).error


@pytest.mark.parametrize("keep", ["hard", "easy"])
def test_a_small_angle_is_nearly_none(keep) -> None:
    assert solve(3, 0.4, theta=0.2, keep=keep).error == pytest.approx(
        solve(3, 0.4, keep=keep).error, abs=3e-4
    )


@pytest.mark.parametrize("theta", [0, 2, 15, 70])
@pytest.mark.parametrize("keep", ["hard", "easy"])
def test_finer_nodes_change_nothing(theta, keep, monkeypatch) -> None:
    coarse = solve(12, 0.06, theta=theta, keep=keep)
    theory._solve.cache_clear()
    monkeypatch.setattr(theory_nodes, "POINTS", 13)
    fine = solve(12, 0.06, theta=theta, keep=keep)
    theory._solve.cache_clear()
    assert coarse.error == pytest.approx(fine.error, abs=1e-6)
    assert coarse.margin == pytest.approx(fine.margin, rel=1e-5)


@pytest.mark.parametrize(
    ("alpha", "fraction", "options"),
    [(0, 0.5, {}), (1, 0, {}), (1, 1.1, {}), (1, 0.5, {"theta": 91}), (1, 0.5, {"keep": "best"}),
     (float("nan"), 0.5, {}), (1, float("nan"), {}), (1e9, 0.5, {})],
)  # fmt: skip
def test_what_is_out_of_range_is_said(alpha, fraction, options) -> None:
    with pytest.raises(BadInputError):
        solve(alpha, fraction, **options)
