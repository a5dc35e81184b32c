"""Regularised canonical correlation analysis in closed form.

Source: Hotelling (1936); the ridge terms as in Vinod (1976); weighting the directions by a power
of their correlation as in Gong, Ke, Isard and Lazebnik (IJCV 2014, section 4.2).
"""

from __future__ import annotations

import torch


def fit_cca(
    x: torch.Tensor,
    y: torch.Tensor,
    weight: torch.Tensor,
    *,
    size: int,
    ridge_x: float,
    ridge_y: float,
    power: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Linear maps under which matching rows point the same way.

    Args:
        x: One view of n pairs, shape (n, p).
        y: The other view, shape (n, q).
        weight: Weights of the pairs, shape (n,).
        size: Number of directions kept, at most ``min(p, q)``.
        ridge_x: Added to the covariance of x, in units of its mean variance.
        ridge_y: Likewise for y.
        power: Each direction is scaled by its correlation to this power, on both sides.

    Returns:
        Mean of x (p,), map of x (p, size), mean of y (q,), map of y (q, size).
    """
    share = (weight / weight.sum())[:, None]
    mean_x, mean_y = (x * share).sum(0), (y * share).sum(0)
    a, b = (x - mean_x) * share.sqrt(), (y - mean_y) * share.sqrt()
    white_x, white_y = _whitening(a.T @ a, ridge_x), _whitening(b.T @ b, ridge_y)
    left, correlation, right = torch.linalg.svd(white_x @ (a.T @ b) @ white_y, full_matrices=False)
    scale = correlation[:size] ** power
    return mean_x, white_x @ left[:, :size] * scale, mean_y, white_y @ right.T[:, :size] * scale


def _whitening(covariance: torch.Tensor, ridge: float) -> torch.Tensor:
    """Inverse square root of the covariance with a ridge."""
    size = len(covariance)
    ridged = covariance + ridge * covariance.trace() / size * torch.eye(size)
    values, vectors = torch.linalg.eigh(ridged)
    return vectors * values.rsqrt() @ vectors.T
