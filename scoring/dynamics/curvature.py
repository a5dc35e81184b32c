"""Input curvature: how much the loss's gradient in the input turns a small step away."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import nn

from data_cards.errors import BadInputError
from scoring.dynamics.scores import finite
from scoring.dynamics.trainer import tensor_of

Direction = Literal["sign", "rademacher"]


def input_curvature(
    model: nn.Module,
    inputs: np.ndarray,
    labels: np.ndarray,
    *,
    direction: Direction = "sign",
    h: float | None = None,
    draws: int | None = None,
    seed: int = 0,
    ids: Sequence[Any] | None = None,
    batch_size: int = 128,
    device: str = "cpu",
) -> np.ndarray:
    """Mean of ||grad loss(x + h v) - grad loss(x)|| over directions v.

    ``"sign"``: SLo-Curves (Garg and Roy, CVPR 2023), v = sign(grad) / ||sign(grad)||, one
    direction, h = 3; its coreset keeps the *lowest*. ``"rademacher"``: the first author's later
    measure of memorisation, v of random signs, h = 1e-3, ten draws. Losses are summed, never
    averaged: neither the batch nor its last, smaller one matters.

    Args:
        model: Trained; it is put into evaluation mode.
        inputs: (n, ...) as for :func:`scoring.dynamics.trainer.train_signals`.
        labels: (n,) classes.
        direction: Which.
        h: Length of the step, for ``"rademacher"`` of each coordinate; ``None``: as published.
        draws: Directions of ``"rademacher"``; ``None``: 10.
        seed: Of the draws.
        ids: n ids; each sample's draws depend on its own. By default the rows' positions.
        batch_size: Samples of a pass.
        device: Where.

    Returns:
        (n,) float64 from 0 up; higher is harder.

    Raises:
        BadInputError: An option is out of range, or the number of a row is not finite.
    """
    if direction not in get_args(Direction):
        raise BadInputError(f"direction is {direction!r}", "Give sign or rademacher.")
    step = h if h is not None else 3.0 if direction == "sign" else 1e-3
    times = 1 if direction == "sign" else 10 if draws is None else draws
    if step <= 0 or times < 1:
        raise BadInputError(f"h {step:g}, {times} draws", "h above 0, 1 draw or more.")
    model.eval().to(device)
    names = range(len(labels)) if ids is None else ids
    own = [blake2b(str(one).encode(), digest_size=8).digest() for one in names]
    made = np.empty(len(labels))
    for start in range(0, len(labels), batch_size):
        rows = np.arange(start, min(start + batch_size, len(labels)))
        x = tensor_of(inputs, rows, device)
        y = torch.from_numpy(labels[rows]).to(device)
        before = _input_gradient(model, x, y)
        total = torch.zeros(len(rows), dtype=torch.float64, device=x.device)
        for draw in range(times):
            if direction == "sign":
                signs = before.sign()
                length = signs.flatten(1).norm(dim=1).clamp(min=1e-30)
                v = signs / length.view(-1, *[1] * (x.dim() - 1))
            else:
                v = torch.stack([_signs(x[0].shape, seed, own[row], draw) for row in rows]).to(x)
            apart = _input_gradient(model, x + step * v, y) - before
            total += apart.flatten(1).double().norm(dim=1)
        made[rows] = (total / times).cpu().numpy()
    return finite(made, "curvature")


def _input_gradient(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    x = x.detach().requires_grad_(True)
    total = nn.functional.cross_entropy(model(x), y, reduction="sum")
    (gradient,) = torch.autograd.grad(total, x)
    return gradient


def _signs(shape: torch.Size, seed: int, own: bytes, draw: int) -> torch.Tensor:
    rng = np.random.default_rng([seed, int.from_bytes(own, "little"), draw])
    drawn = rng.integers(0, 2, size=tuple(shape))
    return torch.from_numpy(drawn.astype(np.float32) * 2 - 1)
