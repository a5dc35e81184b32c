"""The costly part of the attention regressor, with its derivative by hand.

Differentiated operation by operation the same takes several times as long: what costs is going
through all pairs of tokens of all samples, and this does so a third as often.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

_BLOCK_FLOATS = 262_144
"""Floats of one activation of one block: more leave the cache, fewer are all overhead."""


def attend(
    x: Tensor, a: Tensor, b: Tensor, c: Tensor, d: Tensor, alpha: Tensor, beta: Tensor
) -> Tensor:
    """Sum over tokens i, j of p_ij (alpha_j x_j + beta_j), where p is the softmax over j.

    p_ij = softmax_j (A_ij x_i x_j + B_ij x_i + C_ij x_j + D_ij), as in
    :func:`scoring.quality.forward.attention`.

    Args:
        x: (k, n) features, samples last. It gets no gradient.
        a: (m, k, k) coefficients of m fits (or heads of fits); ``b``, ``c``, ``d`` likewise.
        b: See ``a``.
        c: See ``a``.
        d: See ``a``.
        alpha: (m, k) coefficients of the value of each token.
        beta: (m, k) the constant part of it.

    Returns:
        (m, n) sums.
    """
    mixed: Tensor = _Attend.apply(x, a, b, c, d, alpha, beta)
    return mixed


def _blocks(fits: int, tokens: int, rows: int) -> Iterator[tuple[slice, slice]]:
    """Fits and rows of each block: several fits where the data are small, else parts of one."""
    step = min(rows, max(1, _BLOCK_FLOATS // tokens**2))
    together = max(1, _BLOCK_FLOATS // (tokens**2 * step))
    for fit in range(0, fits, together):
        for row in range(0, rows, step):
            yield slice(fit, fit + together), slice(row, row + step)


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, *parts: Tensor) -> Tensor:
        a, b, c, d, alpha, beta = parts
        fits, tokens, _ = a.shape
        # both coefficients that x_j meets, and the two that stand alone, by one product with x_i, 1
        rules = torch.cat([torch.stack([a, c], 3), torch.stack([b, d], 3)], dim=2)
        with_one = torch.stack([x, torch.ones_like(x)], dim=1)
        value = alpha[:, :, None] * x + beta[:, :, None]
        result = x.new_empty(fits, x.shape[1])
        ctx.kept = []
        for fit, row in _blocks(fits, tokens, x.shape[1]):
            both = rules[fit] @ with_one[:, :, row]
            weight = torch.addcmul(both[:, :, tokens:], both[:, :, :tokens], x[:, row])
            weight = weight.softmax(dim=2)
            total = weight.sum(dim=1)
            result[fit, row] = (total * value[fit, :, row]).sum(dim=1)
            ctx.kept.append((weight, total))
        ctx.save_for_backward(x, with_one, value)
        return result

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        x, with_one, value = ctx.saved_tensors
        fits, tokens, _ = value.shape
        alone, beside = (x.new_zeros(fits, tokens, tokens, 2) for _ in range(2))
        alpha, beta = (x.new_zeros(fits, tokens) for _ in range(2))
        for (fit, row), (weight, total) in zip(
            _blocks(fits, tokens, x.shape[1]), ctx.kept, strict=True
        ):
            given = grad[fit, row]
            slope = weight * value[fit, None, :, row]
            mixed = slope.sum(dim=2, keepdim=True)
            slope.addcmul_(weight, mixed, value=-1)  # p_ij (v_j - sum_j p_ij v_j)
            weighted = (with_one[:, :, row] * given[:, None, None]).transpose(2, 3)
            alone[fit] += slope @ weighted
            beside[fit] += slope.mul_(x[:, row]) @ weighted
            total = total * given[:, None]
            alpha[fit] += (total * x[:, row]).sum(dim=2)
            beta[fit] += total.sum(dim=2)
        a, c, b, d = beside[..., 0], beside[..., 1], alone[..., 0], alone[..., 1]
        return None, a, b, c, d, alpha, beta
