"""GraNd: how long the gradient of a sample's loss is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from data_cards.errors import BadInputError
from scoring.dynamics.scores import BLOCK, _error, _softmax, finite
from scoring.dynamics.signals import Signals
from scoring.dynamics.trainer import tensor_of


def grand_last_layer(signals: Signals, epoch: int | None = None) -> np.ndarray:
    """GraNd of the last linear layer alone: an approximation of GraNd, exact for that layer.

    The gradient of the cross-entropy in weights and bias is (p - onehot(y)) times [h; 1], so that
    its length is ||p - onehot(y)|| sqrt(1 + ||h||^2): no gradient is ever made.

    Args:
        signals: With logits and features.
        epoch: After which; by default the last kept.

    Returns:
        (n,) float64, mean over the runs; larger is harder.
    """
    total = np.zeros(len(signals))
    logits, features = signals.logits(epoch), signals.features(epoch)
    for run in range(len(logits)):
        for start in range(0, len(signals), BLOCK):
            part = slice(start, start + BLOCK)
            error = _error(_softmax(logits[run, part]), signals.labels[part])
            rows = features[run, part].astype(np.float64)
            total[part] += np.linalg.norm(error, axis=1) * np.sqrt(1 + (rows**2).sum(axis=1))
    return finite(total / len(logits), "GraNd")


def grand(
    models: Sequence[nn.Module],
    inputs: np.ndarray,
    labels: np.ndarray,
    *,
    batch_size: int = 64,
    device: str = "cpu",
) -> np.ndarray:
    """GraNd over all trained parameters: mean over models of the length of the loss's gradient.

    Paul et al., arXiv 2107.07075, definition 2.1. Each sample's own loss is differentiated, in
    evaluation mode, so that neither the batch nor its last, smaller one matters. At initialisation
    it follows the input's norm and says nothing (Kirsch, arXiv 2303.14753): use trained models.

    Args:
        models: Trained independently, ten or more.
        inputs: (n, ...) as for :func:`scoring.dynamics.trainer.train_signals`.
        labels: (n,) classes.
        batch_size: Samples of a pass.
        device: Where.

    Returns:
        (n,) float64; larger is harder.

    Raises:
        BadInputError: There is no model, or the number of a row is not finite.
    """
    if not models:
        raise BadInputError("GraNd needs models", "Give one or more that were trained.")
    total = np.zeros(len(labels))
    for model in models:
        model.eval().to(device)
        trained = {n: p.detach() for n, p in model.named_parameters() if p.requires_grad}
        rest = {n: p.detach() for n, p in model.named_parameters() if not p.requires_grad}
        rest |= dict(model.named_buffers())

        def one(
            weights: dict[str, torch.Tensor],
            x: torch.Tensor,
            y: torch.Tensor,
            model: nn.Module = model,
            rest: dict[str, torch.Tensor] = rest,
        ) -> torch.Tensor:
            logits = torch.func.functional_call(model, {**weights, **rest}, (x[None],))
            return nn.functional.cross_entropy(logits, y[None])

        each = torch.func.vmap(torch.func.grad(one), in_dims=(None, 0, 0))
        for start in range(0, len(labels), batch_size):
            rows = np.arange(start, min(start + batch_size, len(labels)))
            x = tensor_of(inputs, rows, device)
            found = each(trained, x, torch.from_numpy(labels[rows]).to(device))
            squared = sum(g.double().flatten(1).pow(2).sum(1) for g in found.values())
            assert isinstance(squared, torch.Tensor)
            total[rows] += squared.sqrt().cpu().numpy()
    return finite(total / len(models), "GraNd")
