"""The teacher-student perceptron of data pruning: the error that a kept fraction leads to.

Sorscher, Geirhos, Shekhar, Ganguli and Morcos, Beyond neural scaling laws, NeurIPS 2022 (arXiv
2206.14486). Inputs are standard normal in N dimensions, labels the sign of a teacher T. A probe at
the angle theta to T keeps the fraction f of the samples by the size of its field, |z|; a student J
is trained on what is kept to the largest margin. N and the number of samples go to infinity; alpha
is the number of *kept* samples per dimension, alpha / f the number of all. The generalisation error
is arccos(J T) / pi.

How it is solved. Write J = rho J_p + a e + b g: along the probe, orthogonal to it in the teacher's
plane, and outside that plane. A label times a field is t = y (rho z + a w + b xi) with standard
normal w and xi. A margin kappa can be had as long as alpha E[(kappa - t)_+^2] <= b^2. With
p = (rho, a) / b, m = y (p_1 z + p_2 w) and kappa' = kappa / b this reads
alpha E F(kappa' - m) <= 1, where F(u) = (1 + u^2) Phi(u) + u phi(u) has xi integrated out. The
largest kappa' is a root in one variable, and kappa = max over p of kappa'(p) / sqrt(1 + |p|^2).
Written in J / kappa the problem is convex (the constraint is a norm of positive parts, less b):
where kappa > 0 there is one optimum, and a vanishing gradient proves it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.optimize import minimize
from scipy.special import ndtr

from data_cards.errors import BadInputError
from selector.prune.theory_nodes import Keep, kept_nodes

__all__ = ["Keep", "Solution", "error", "solve"]
SMALLEST_FRACTION = 1e-6
LARGEST_ALPHA = 1e4
_FLAT = 1e-6
_FAR_BELOW = 0.1
"""Of the root's alpha E F = 1: below this Newton's method begins at the bound."""
_ROOT_TWO_PI = float(np.sqrt(2 * np.pi))


@dataclass(frozen=True, slots=True)
class Solution:
    """The student that a kept fraction leads to.

    Attributes:
        alpha: Kept samples per dimension.
        fraction: Kept fraction f of all samples, in (0, 1].
        theta: Angle between probe and teacher, degrees.
        keep: ``"hard"`` (small |z|) or ``"easy"`` (large |z|).
        error: Generalisation error, in [0, 1/2]; lower is better.
        margin: kappa, the smallest label times field of a unit student; above 0.
        teacher_overlap: R = J T.
        probe_overlap: rho = J J_probe.
    """

    alpha: float
    fraction: float
    theta: float
    keep: Keep
    error: float
    margin: float
    teacher_overlap: float
    probe_overlap: float

    @property
    def alpha_total(self) -> float:
        """All samples per dimension, before pruning."""
        return self.alpha / self.fraction


def solve(alpha: float, fraction: float, *, theta: float = 0.0, keep: Keep = "hard") -> Solution:
    """Train a perceptron, in theory, on the kept samples.

    Args:
        alpha: Kept samples per dimension, above 0 (up to 10,000); ``f * alpha_total``.
        fraction: Kept fraction f, from 1e-6 to 1.
        theta: Angle between the probe and the teacher, degrees, from 0 to 90.
        keep: Keep the ``"hard"`` samples (near the probe's boundary) or the ``"easy"`` ones. They
            are ranked by |z|, the size of the probe's field, as in the paper's formulas. Its text
            ranks by the signed margin y z; the two agree at theta = 0 only.

    Returns:
        The solution; its error is good to about 1e-6.

    Raises:
        BadInputError: An argument is outside its range.
        ArithmeticError: No start led to an optimum.
    """
    alpha, fraction, theta = _checked(alpha, fraction, theta, keep)
    return _solve(alpha, fraction, 0.0 if fraction == 1 else theta, keep, theta)


def error(alpha_total: float, fraction: float, *, theta: float = 0.0, keep: Keep = "hard") -> float:
    """Generalisation error over the number of samples *before* pruning.

    Args:
        alpha_total: All samples per dimension; ``alpha_total * fraction`` of them are kept.
        fraction: Kept fraction, from 1e-6 to 1.
        theta: Angle between the probe and the teacher, degrees.
        keep: ``"hard"`` or ``"easy"``.

    Returns:
        The error, in [0, 1/2].

    Raises:
        BadInputError: An argument is outside its range.
    """
    return solve(alpha_total * fraction, fraction, theta=theta, keep=keep).error


def _checked(alpha: float, fraction: float, theta: float, keep: Keep) -> tuple[float, float, float]:
    alpha, fraction, theta = float(alpha), float(fraction), float(theta)
    if not 0 < alpha <= LARGEST_ALPHA:
        raise BadInputError(
            f"alpha is {alpha:g}", f"Give samples per dimension, above 0, to {LARGEST_ALPHA:,.0f}."
        )
    if not SMALLEST_FRACTION <= fraction <= 1:
        raise BadInputError(
            f"the kept fraction is {fraction:g}", f"Give {SMALLEST_FRACTION:g} to 1."
        )
    if not 0 <= theta <= 90:
        raise BadInputError(f"theta is {theta:g} degrees", "Give an angle from 0 to 90 degrees.")
    if keep not in ("hard", "easy"):
        raise BadInputError(f"cannot keep {keep!r}", "Keep hard or easy.")
    return alpha, fraction, theta


@lru_cache(maxsize=4096)
def _solve(alpha: float, fraction: float, inner: float, keep: Keep, theta: float) -> Solution:
    """Solve with the probe at ``inner``; ``theta`` is what was asked for (all kept: no matter)."""
    problem = _Problem(alpha, *kept_nodes(fraction, inner, keep), flat=inner == 0)
    p, kappa = problem.best(inner)
    rho, a = p / np.sqrt(1 + p @ p)
    cosine, sine = np.cos(np.radians(inner)), np.sin(np.radians(inner))
    overlap = rho * cosine + a * sine
    # the component of the student outside the teacher, without the cancellation of 1 - R^2
    outside = np.hypot(1 / np.sqrt(1 + p @ p), rho * sine - a * cosine)
    return Solution(
        alpha=alpha,
        fraction=fraction,
        theta=theta,
        keep=keep,
        error=float(np.arctan2(outside, overlap) / np.pi),
        margin=float(kappa),
        teacher_overlap=float(overlap),
        probe_overlap=float(rho if inner == theta else overlap * np.cos(np.radians(theta))),
    )


class _Problem:
    """Largest margin over the student's direction p, for given nodes."""

    def __init__(
        self, alpha: float, z: np.ndarray, w: np.ndarray, weight: np.ndarray, *, flat: bool
    ) -> None:
        self.alpha = alpha
        self.fields = np.stack([z] if flat else [z, w])
        self.weight = weight
        self.inverse = _inverse(1 / alpha)
        self.gap = 0.0

    def margin(self, p: np.ndarray) -> tuple[float, np.ndarray]:
        """Margin at p = (rho, a) / b, and its gradient.

        kappa' is found by Newton's method from above. E F is convex and rising in kappa', and by
        Jensen's inequality the root is below E m + F^-1(1 / alpha): each step comes closer. It
        starts as far below that bound as the last root was: from below the root one step leads
        above it, unless the start is so far off that E F is flat.
        """
        m = p @ self.fields
        bound = float(self.weight @ m) + self.inverse
        above = bound - self.gap
        for _ in range(80):
            value, rate = _excess(above - m)
            excess = self.alpha * float(self.weight @ value)
            if excess < _FAR_BELOW and above < bound:
                above = bound
                continue
            step = (excess - 1) / (self.alpha * float(self.weight @ rate))
            above = min(above - step, bound)
            if abs(step) < 1e-11 * max(1.0, abs(above)):
                break
        self.gap = bound - above
        weighted = self.weight * rate
        slope = self.fields @ weighted / weighted.sum()
        length = np.sqrt(1 + p @ p)
        return above / length, slope / length - above * p / length**3

    def best(self, theta: float) -> tuple[np.ndarray, float]:
        """The best p (2,) and its margin; starts from several lengths, teacher's way first."""
        flat = len(self.fields) == 1
        best: tuple[float, np.ndarray] | None = None
        for p in self._starts(theta):
            scale = max(self.margin(p)[0], 1e-12)

            def cost(q: np.ndarray, scale: float = scale) -> tuple[float, np.ndarray]:
                kappa, slope = self.margin(np.sinh(q))
                return -kappa / scale, -slope * np.cosh(q) / scale

            found = minimize(
                cost, np.arcsinh(p), jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 300}
            )
            p = np.sinh(found.x)
            kappa = self.margin(p)[0]
            if best is None or kappa > best[0]:
                best = kappa, p
            if kappa > 0 and self._residual(p) < _FLAT:
                break
        assert best is not None
        kappa, p = best
        if not (kappa > 0 and self._residual(p) < 1e3 * _FLAT):
            raise ArithmeticError(f"no optimum was found (alpha {self.alpha:g}, theta {theta:g})")
        return (np.append(p, 0.0) if flat else p), kappa

    def _starts(self, theta: float) -> list[np.ndarray]:
        """Starting points by margin, best first: five lengths along and beside the teacher."""
        lengths = np.exp(np.arange(0.0, 6.0))
        if len(self.fields) == 1:
            starts = [np.array([length]) for length in lengths]
        else:
            angles = np.radians(theta) * np.array([0.6, 1.0])
            starts = [
                length * np.array([np.cos(angle), np.sin(angle)])
                for length in lengths
                for angle in angles
            ]
        return sorted(starts, key=lambda p: -self.margin(p)[0])

    def _residual(self, p: np.ndarray) -> float:
        """How far from stationary, without a unit: gradient in q over the margin."""
        kappa, slope = self.margin(p)
        return float(np.abs(slope * np.sqrt(1 + p * p)).max() / abs(kappa))


def _excess(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """E[(u + xi)_+^2] over a standard normal xi, and its derivative in u."""
    phi = np.exp(-0.5 * u * u) / _ROOT_TWO_PI
    below = ndtr(u)
    return (1 + u * u) * below + u * phi, 2 * (u * below + phi)


def _inverse(value: float) -> float:
    """The u with E[(u + xi)_+^2] = value."""
    u = max(np.sqrt(value), 1.0)
    for _ in range(200):
        f, rate = (float(part) for part in _excess(np.array(u)))
        step = (f - value) / rate
        u -= step
        if abs(step) < 1e-12 * max(1.0, abs(u)):
            break
    return float(u)
