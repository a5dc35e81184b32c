"""Gradients of single samples on the trained weights, projected onto few dimensions.

One backward pass over a batch gives the sum of its samples' gradients. For linear layers each
sample's own is the product of what goes in and what comes back, kept apart by hooks (as in
Goodfellow, "Efficient per-example gradient computations", arXiv 1510.01799). What a projector sees
of a batch is one row of features after the other, so that samples go together only if each has as
many image tokens; a model with other trained parameters goes through sample by sample.

A gradient is made small by a sparse random projection: every weight is added, with a random sign,
to one of d sums (count sketch; Weinberger et al., "Feature Hashing", ICML 2009). Inner products
keep their expectation; their relative error is about 1/sqrt(d).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from finetune.data import Prepared
from finetune.feature_cache import image_token
from finetune.losses import response_losses

if TYPE_CHECKING:
    from finetune.bench import Bench

DIMENSIONS = 8192
UNEVEN = frozenset(("image_sizes", "image_position_ids", "spatial_shapes"))
"""Inputs of models that pad or cut images: equal image tokens need not be equal features."""


class Sketch:
    """A count sketch of named tensors.

    Args:
        shapes: Name to shape of each trained parameter.
        dimensions: d.
        seed: Of places and signs.
    """

    def __init__(
        self, shapes: Mapping[str, Sequence[int]], dimensions: int = DIMENSIONS, seed: int = 0
    ) -> None:
        import torch

        generator = torch.Generator().manual_seed(seed)
        self.dimensions = dimensions
        self._places: dict[str, Any] = {}
        self._signs: dict[str, Any] = {}
        for name in sorted(shapes):
            size = int(np.prod(shapes[name]))
            self._places[name] = torch.randint(dimensions, (size,), generator=generator)
            self._signs[name] = torch.randint(0, 2, (size,), generator=generator) * 2.0 - 1

    def __call__(self, gradients: Mapping[str, Any]) -> np.ndarray:
        """Project the gradients of one sample, float32 of shape (d,)."""
        import torch

        total = torch.zeros(self.dimensions)
        for name, value in gradients.items():
            flat = value.reshape(-1).float().cpu()
            total.index_add_(0, self._places[name], flat * self._signs[name])
        return total.numpy()


def sample_gradients(
    bench: Bench,
    rows: Sequence[Prepared],
    use: Callable[[int, Mapping[str, Any]], None],
    *,
    batch_size: int = 8,
    wanted: Callable[[Sequence[int]], bool] = lambda batch: True,
    done: Callable[[Sequence[int]], None] = lambda batch: None,
) -> None:
    """Hand on the gradient of every sample, one after the other.

    The loss is the mean over a sample's response tokens, as fine-tuning on it alone would have it;
    dropout is off. Call it within ``bench.looking()``.

    Args:
        bench: Holds the model, at the weights where gradients are wanted.
        rows: The samples.
        use: Called with position and gradients by parameter name; they are not kept.
        batch_size: Samples in one pass, where the model allows it.
        wanted: Called with the positions of a batch before it is computed; ``False`` passes over
            it. Batches depend on the rows alone.
        done: Called with the positions of each batch after it, passed over or not.
    """
    layers = _linear_layers(bench.model)
    size = 1 if layers is None else batch_size
    token = image_token(bench.model)
    seen = [row.input_ids.count(token) for row in rows]
    order = sorted(range(len(rows)), key=lambda row: (seen[row], len(rows[row].input_ids)))
    for start in range(0, len(order), size):
        part = order[start : start + size]
        if wanted(part):
            # The parts of a pass can be told apart only if every sample has as many image tokens.
            for _, alike in groupby(part, key=seen.__getitem__):
                piece = list(alike)
                found = _gradients(bench, [rows[row] for row in piece], layers)
                for row, gradients in zip(piece, found, strict=True):
                    use(row, gradients)
        done(part)


def _linear_layers(model: Any) -> dict[str, Any] | None:
    """The trained linear layers by name; ``None`` if anything else is trained too."""
    import torch

    layers = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module.weight.requires_grad
    }
    covered = {id(p) for module in layers.values() for p in module.parameters(recurse=False)}
    trained = [p for p in model.parameters() if p.requires_grad]
    return layers if all(id(p) in covered for p in trained) else None


def _gradients(
    bench: Bench, rows: Sequence[Prepared], layers: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    import torch

    batch = bench.collate(rows)
    if len(rows) > 1 and UNEVEN & batch.keys():
        return [own for row in rows for own in _gradients(bench, [row], layers)]
    model = bench.model
    given: dict[str, Any] = {}
    hooks = []

    def keep(name: str) -> Any:
        def hook(module: Any, args: Any, output: Any) -> None:
            given[name] = args[0].detach()
            output.register_hook(lambda back: given.__setitem__(f"{name} back", back.detach()))

        return hook

    for name, module in (layers or {}).items():
        hooks.append(module.register_forward_hook(keep(name)))
    model.zero_grad(set_to_none=True)
    model.eval()
    try:
        with torch.enable_grad(), bench.autocast():
            losses, owners = response_losses(model, batch)
        counts = torch.bincount(owners, minlength=len(rows)).clamp(min=1)
        (losses / counts[owners]).sum().backward()
    finally:
        for hook in hooks:
            hook.remove()
    if layers is None:
        own = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
        model.zero_grad(set_to_none=True)
        return [own]
    model.zero_grad(set_to_none=True)
    found: list[dict[str, Any]] = [{} for _ in rows]
    for name, module in layers.items():
        if f"{name} back" not in given:
            continue
        ins = given[name].float().reshape(len(rows), -1, module.in_features)
        outs = given[f"{name} back"].float().reshape(len(rows), -1, module.out_features)
        for place in range(len(rows)):
            found[place][f"{name}.weight"] = outs[place].T @ ins[place]
            if module.bias is not None and module.bias.requires_grad:
                found[place][f"{name}.bias"] = outs[place].sum(0)
    return found
