"""Quadrature nodes for the kept samples of the teacher-student perceptron."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.special import ndtri

Keep = Literal["hard", "easy"]
FAR = 9.5
"""Where a normal variable is cut off: less than 1e-20 of it lies beyond."""
POINTS = 8
"""Gauss-Legendre points on each panel."""
_RATIO = 2.0
_STEP = 1.25
_FINEST = 2.0**-16
_EDGE = 2.0**-8


def kept_interval(fraction: float, keep: Keep) -> tuple[float, float]:
    """Between which |z| the kept samples lie.

    Args:
        fraction: Kept fraction f, in (0, 1].
        keep: ``"hard"``: |z| < H^-1((1 - f)/2); ``"easy"``: |z| > H^-1(f/2).

    Returns:
        The lower and the upper end, both from 0 to about 10 (everything beyond has no weight).
    """
    if fraction >= 1:
        return 0.0, FAR
    if keep == "hard":
        return 0.0, float(-ndtri((1 - fraction) / 2))
    lower = float(-ndtri(fraction / 2))
    return lower, float(np.hypot(lower, FAR))


def kept_nodes(
    fraction: float, theta: float, keep: Keep
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Nodes over z (field of the probe) and w (the rest of the teacher's plane), label +1.

    A sample and its mirror image have the same field y (rho z + a w + b xi), so the half plane
    z cos(theta) + w sin(theta) > 0 stands for both. The field of a good student is small only
    near the teacher's boundary: nodes crowd there, the wider apart the farther off.

    Args:
        fraction: Kept fraction f, in (0, 1].
        theta: Angle between probe and teacher, degrees, in [0, 90].
        keep: Which end of |z| is kept.

    Returns:
        (m,) z, (m,) w (all 0 where theta is 0: then w plays no part), (m,) weights that sum to 1.
    """
    lower, upper = kept_interval(fraction, keep)
    if theta == 0:
        z, weight = _panels(lower + _graded(upper - lower))
        weight = weight * _normal(z)
        return z, np.zeros_like(z), weight / weight.sum()
    slope = np.tan(np.radians(theta)) if theta < 90 else np.inf
    reach = min(upper, FAR * slope)  # below -reach the teacher says -1 to all there is
    if lower == 0:
        sides = [_edges(-reach, upper, slope)]
    else:  # the smallest |z| that is left touches the margin first: nodes crowd there too
        crowded = lower + _graded(upper - lower, _EDGE)
        sides = [crowded]
        if lower < reach:
            sides.append(-crowded[crowded < reach][::-1])
    z, of_z = (np.concatenate(parts) for parts in zip(*map(_panels, sides), strict=True))
    offset, of_offset = _panels(_graded(2 * FAR))
    start = np.maximum(-z / slope, -FAR)
    w = start[:, None] + offset
    weight = (of_z * _normal(z))[:, None] * of_offset * _normal(w)
    counted = weight > 1e-16 * weight.max()
    weight = weight[counted]
    return np.broadcast_to(z[:, None], w.shape)[counted], w[counted], weight / weight.sum()


def _normal(x: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * x * x)


def _graded(length: float, finest: float = _FINEST) -> np.ndarray:
    """Edges from 0 to ``length``, doubling from the finest up to a step that a normal bears."""
    count = int(np.ceil(np.log(_STEP / (finest * min(length, 1.0))) / np.log(_RATIO)))
    fine = _STEP * _RATIO ** -np.arange(count, -1.0, -1.0)
    coarse = np.arange(2 * _STEP, length, _STEP)
    edges = np.concatenate([[0.0], fine, coarse])
    return np.append(edges[edges < length * (1 - 1e-9)], length)


def _edges(low: float, high: float, slope: float) -> np.ndarray:
    """Edges over z: the teacher's boundary lies at w = -z / slope, so ``slope`` is a scale."""
    scale = min(slope, high - low, 1.0)
    inner = scale * np.array([-6, -4, -3, -2.2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2.2, 3, 4, 6])
    span = np.linspace(low, high, 4)
    outer = np.concatenate([np.arange(-FAR, FAR, _STEP), 2.0 ** np.arange(-6.0, 1.0) * FAR / 8])
    edges = np.unique(np.concatenate([inner, span, outer]))
    edges = edges[(edges > low) & (edges < high)]
    apart = np.diff(edges, prepend=-np.inf) > 0.2 * scale
    return np.concatenate([[low], edges[apart], [high]])


def _panels(edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights on every panel between two edges."""
    x, weight = np.polynomial.legendre.leggauss(POINTS)
    half = np.diff(edges)[:, None] / 2
    middle = (edges[1:] + edges[:-1])[:, None] / 2
    return (middle + half * x).ravel(), (half * weight).ravel()
