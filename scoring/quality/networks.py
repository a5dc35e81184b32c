"""Two small networks that score single samples: an MLP, and self-attention over the metrics.

Both are trained so that the **mean** of the scores of a unit's samples matches its label. Many
fits (folds, inner folds, seeds) run side by side in one tensor; each is what it would be alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from scoring.quality.design import Design
from scoring.quality.forward import Arrays
from scoring.quality.regressor import register

if TYPE_CHECKING:
    from torch import Tensor

STEPS = (10, 30, 90)
RATE = 0.05
DECAY = 0.01
HIDDEN = 12
TOKEN_WIDTH = 8
HEADS = 1
_CACHE_FLOATS = 400_000
"""Floats of one activation of all fits that run side by side: as many as stay in the cache."""
_KEPT_FLOATS = 4_000_000
"""The same where blocks are made further in (attention): what is kept for the derivative."""
_STEP_FLOATS = 250_000
"""Floats of one activation of one fit: where the data are larger, a step sees a part of them."""
Parameters = dict[str, "Tensor"]


@register
class Perceptron:
    """One hidden layer of 12 tanh units per sample."""

    name: ClassVar[str] = "mlp"
    summary: ClassVar[str] = "a small neural network per sample, averaged over units"
    inner_folds: ClassVar[int] = 3
    linear: ClassVar[bool] = False
    raw: ClassVar[bool] = False

    def settings(self) -> Sequence[dict[str, Any]]:
        """Numbers of training steps, fewest first."""
        return [{"steps": steps} for steps in STEPS]

    def fit(self, design: Design, masks: np.ndarray, seed: int) -> list[list[Arrays]]:
        """Train one network per mask; the settings are stops on its way."""
        return train(design, masks, seed, _start_mlp, _score_mlp, _pack_mlp, HIDDEN)


@register
class Attention:
    """The self-attention selector over the metric tokens of one sample (arXiv 2308.12067).

    As in the paper a layer of self-attention with residual, without activation or normalisation,
    and a linear read-out; here attention runs over the metrics of one sample (one token per
    feature, width 8, 1 head), not over the candidates, so that no score depends on its company.
    """

    name: ClassVar[str] = "attention"
    summary: ClassVar[str] = "self-attention over the metrics of one sample, averaged over units"
    inner_folds: ClassVar[int] = 3
    linear: ClassVar[bool] = False
    raw: ClassVar[bool] = False

    def settings(self) -> Sequence[dict[str, Any]]:
        """Numbers of training steps, fewest first."""
        return [{"steps": steps} for steps in STEPS]

    def fit(self, design: Design, masks: np.ndarray, seed: int) -> list[list[Arrays]]:
        """Train one network per mask; the settings are stops on its way."""
        floats = HEADS * design.rows.shape[1] ** 2
        return train(
            design,
            masks,
            seed,
            _start_attention,
            _score_attention,
            _pack_attention,
            floats,
            most=_KEPT_FLOATS,
        )


def train(
    design: Design,
    masks: np.ndarray,
    seed: int,
    start: Callable[[int, int, Any], Parameters],
    score: Callable[[Parameters, Tensor], Tensor],
    pack: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]],
    floats: int,
    *,
    most: int = _CACHE_FLOATS,
) -> list[list[Arrays]]:
    """Train one network per mask by Adam on the weighted squared error of unit means.

    All start from the same weights (drawn from ``seed``), so that a fit depends on its mask only.

    Args:
        design: Features and labels.
        masks: (f, u) bool.
        seed: Of the starting weights and of the parts that a step sees.
        start: (fits, features, generator) to parameters, first axis fits.
        score: Parameters and (n, k) rows to (fits, n) scores.
        pack: Parameters of one fit to what is stored.
        floats: Floats per row that the largest activation holds.
        most: Floats of it that all fits side by side may hold; only speed depends on it.
    """
    import torch

    side_by_side = max(1, most // (min(len(design.rows), _rows_of_a_step(floats)) * floats))
    paths: list[list[Arrays]] = []
    for first in range(0, len(masks), side_by_side):
        part = masks[first : first + side_by_side]
        weights = torch.tensor(part * design.weights, dtype=torch.float32)
        weights /= weights.sum(dim=1, keepdim=True)
        labels = torch.tensor(design.labels, dtype=torch.float32)
        center = weights @ labels
        spread = (weights @ labels**2 - center**2).clamp(min=1e-12).sqrt()
        targets = (labels - center[:, None]) / spread[:, None]
        generator = torch.Generator().manual_seed(seed)
        parameters = start(len(part), design.rows.shape[1], generator)
        for value in parameters.values():
            value.requires_grad_(True)
        optimiser = torch.optim.AdamW(parameters.values(), lr=RATE, weight_decay=DECAY)
        batches = _batches(design, floats, seed)
        stops: list[list[Arrays]] = [[] for _ in part]
        for step in range(1, max(STEPS) + 1):
            rows, unit, units = next(batches)
            scores = score(parameters, rows)
            if design.grouped:
                place = unit.expand(len(part), -1)  # index_add takes ten times as long
                sums = torch.zeros(len(part), len(units)).scatter_add(1, place, scores)
                scores = sums / torch.bincount(unit, minlength=len(units))
            share = weights[:, units]
            loss = (share * (scores - targets[:, units]) ** 2).sum() * (len(design) / len(units))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            if step in STEPS:
                now = {name: p.detach().double().numpy() for name, p in parameters.items()}
                for f, stop in enumerate(stops):
                    one = {name: value[f].copy() for name, value in now.items()}
                    stop.append(_rescaled(pack(one), float(center[f]), float(spread[f])))
        paths += stops
    return paths


def _rescaled(arrays: dict[str, np.ndarray], center: float, spread: float) -> Arrays:
    """Undo the standardisation of the labels in the read-out; adds the axis of seeds."""
    for name in ("out", "linear", "alpha", "beta", "intercept"):
        if name in arrays:
            arrays[name] = arrays[name] * spread
    arrays["intercept"] = arrays["intercept"] + center
    return {name: np.asarray(value)[None] for name, value in arrays.items()}


def _rows_of_a_step(floats: int) -> int:
    return max(_STEP_FLOATS // floats, 256)


def _batches(design: Design, floats: int, seed: int) -> Any:
    """Endless (rows, unit of each row, units) for the steps: all, or whole units in turn."""
    import torch

    most = _rows_of_a_step(floats)
    rows = torch.tensor(design.rows, dtype=torch.float32)
    if len(rows) <= most:
        everything = (rows, torch.tensor(design.unit), torch.arange(len(design)))
        while True:
            yield everything
    rng = np.random.default_rng(seed)
    starts = np.concatenate([[0], np.cumsum(design.sizes)])
    count = min(len(design), max(8, int(most * len(design) / len(rows))))
    while True:
        order = rng.permutation(len(design))
        for first in range(0, len(order) - count + 1, count):
            units = np.sort(order[first : first + count])
            at = np.concatenate([np.arange(starts[u], starts[u + 1]) for u in units])
            unit = np.repeat(np.arange(count), design.sizes[units])
            yield rows[torch.tensor(at)], torch.tensor(unit), torch.tensor(units)


def _normal(generator: Any, fits: int, *shape: int, scale: float) -> Tensor:
    """The same draw for each fit."""
    import torch

    return (torch.randn(shape, generator=generator) * scale).expand(fits, *shape).clone()


def _start_mlp(fits: int, features: int, generator: Any) -> Parameters:
    import torch

    return {
        "hidden": _normal(generator, fits, features, HIDDEN, scale=features**-0.5),
        "bias": _normal(generator, fits, HIDDEN, scale=0.5),
        "out": _normal(generator, fits, HIDDEN, scale=0.1 * HIDDEN**-0.5),
        "intercept": torch.zeros(fits),
    }


def _score_mlp(parameters: Parameters, rows: Tensor) -> Tensor:
    import torch

    inner = torch.tanh(rows @ parameters["hidden"] + parameters["bias"][:, None])
    return (inner @ parameters["out"][:, :, None])[:, :, 0] + parameters["intercept"][:, None]


def _pack_mlp(one: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return one


def _start_attention(fits: int, features: int, generator: Any) -> Parameters:
    import torch

    width = TOKEN_WIDTH
    inner = width // HEADS

    def draw(*shape: int, scale: float) -> Tensor:
        return _normal(generator, fits, *shape, scale=scale)

    return {
        "embed": draw(features, width, scale=1.0),
        "place": draw(features, width, scale=0.5),
        "query": draw(HEADS, width, inner, scale=width**-0.5),
        "key": draw(HEADS, width, inner, scale=width**-0.5),
        "query_bias": draw(HEADS, inner, scale=0.1),
        "value": draw(HEADS, width, inner, scale=width**-0.5),
        "mix": draw(HEADS, inner, width, scale=width**-0.5),
        "read": draw(width, scale=0.3 * width**-0.5),
        "intercept": torch.zeros(fits),
    }


def _multiplied_out(p: Parameters) -> Parameters:
    """The layer without its softmax: coefficients of the features (see ``forward.attention``)."""
    import torch

    embed, place = p["embed"][:, None], p["place"][:, None]
    tokens, inner = embed.shape[2], p["query"].shape[3]
    scale = inner**-0.5
    query_x, query_1 = embed @ p["query"], place @ p["query"] + p["query_bias"][:, :, None]
    key_x, key_1 = (embed @ p["key"]).transpose(2, 3), (place @ p["key"]).transpose(2, 3)
    read = torch.einsum("fhwi,fhiv,fv->fhw", p["value"], p["mix"], p["read"])[..., None]
    return {
        "A": query_x @ key_x * scale,
        "B": query_x @ key_1 * scale,
        "C": query_1 @ key_x * scale,
        "D": query_1 @ key_1 * scale,
        "alpha": (embed @ read)[..., 0] / tokens,
        "beta": (place @ read)[..., 0] / tokens,
        "linear": (p["embed"] @ p["read"][:, :, None])[..., 0] / tokens,
        "intercept": p["intercept"] + (p["place"] @ p["read"][:, :, None])[..., 0].mean(dim=1),
    }


def _score_attention(parameters: Parameters, rows: Tensor) -> Tensor:
    from scoring.quality.token_attention import attend

    p = _multiplied_out(parameters)
    fits, heads, _ = p["alpha"].shape
    x = rows.T.contiguous()  # samples last: every operation runs along them
    parts = (p[name].flatten(0, 1) for name in ("A", "B", "C", "D", "alpha", "beta"))
    mixed = attend(x, *parts).view(fits, heads, -1).sum(dim=1)
    return mixed + p["linear"] @ x + p["intercept"][:, None]


def _pack_attention(one: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    import torch

    fitted = {name: torch.tensor(value)[None] for name, value in one.items()}
    return {name: value[0].numpy() for name, value in _multiplied_out(fitted).items()}
