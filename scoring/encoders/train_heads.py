"""Fitting the heads: a closed-form start, then a contrastive loss for the perceptrons.

The loss is the symmetric one of CLIP (Radford et al., ICML 2021), in which all pairs of one
caption count as positives (as in Khosla et al., NeurIPS 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.nn.functional import normalize

from scoring.encoders.cca import fit_cca
from scoring.encoders.conse import conse
from scoring.encoders.heads import Heads, HeadShape, Member
from scoring.encoders.lite0 import Features


@dataclass(frozen=True)
class Recipe:
    """Everything that was chosen on the tuning pairs.

    Attributes:
        shape: Sizes and fixed weights.
        ridge_image: Ridge of the image side of the correlation analysis.
        ridge_text: Ridge of its text side.
        power: Power of the correlations.
        other_text_weight: Weight of a text that is not the caption; a caption weighs 1.
        prototypes: Weight of the ImageNet classes as pairs, a class at one strength.
        strengths: Lengths along a class's weight vector, added to the mean feature.
        augmented: Whether the changed views are used.
        epochs: Passes over the pictures.
        batch: Pictures in a step.
        rate: Highest learning rate.
        decay: Weight decay.
        seed: Of everything random.
    """

    shape: HeadShape = field(default_factory=HeadShape)
    ridge_image: float = 1.0
    ridge_text: float = 0.3
    power: float = 1.0
    other_text_weight: float = 0.4
    prototypes: float = 1.0
    strengths: tuple[float, ...] = (4.0, 8.0)
    augmented: bool = True
    epochs: int = 20
    batch: int = 1024
    rate: float = 1e-3
    decay: float = 0.3
    seed: int = 0


@dataclass(frozen=True)
class Pairs:
    """Training pairs.

    Attributes:
        views: For each view, features of n pictures.
        texts: Sentence vectors of m texts, shape (m, 384).
        picture: Picture of each pair.
        text: Text of each pair.
        is_caption: Whether the text is the picture's caption rather than another text of it.
        label: Number of each picture's caption, shape (n,).
        class_names: Sentence vectors of the ImageNet class names, shape (1000, 384).
    """

    views: Sequence[Features]
    texts: torch.Tensor
    picture: np.ndarray
    text: np.ndarray
    is_caption: np.ndarray
    label: np.ndarray
    class_names: torch.Tensor


def fit_heads(pairs: Pairs, recipe: Recipe) -> Heads:
    """Fit everything; the same pairs and recipe give the same heads.

    Args:
        pairs: What to learn from.
        recipe: How.
    """
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        heads = Heads(recipe.shape)
        heads.class_names.copy_(pairs.class_names)
        rows = torch.from_numpy(pairs.picture)
        views = pairs.views if recipe.augmented else pairs.views[:1]
        with torch.no_grad():
            _fit_statistics(heads, pairs, rows)
            inputs = [heads.image_input(view) for view in views]
            prototypes = _prototypes(heads, views[0].pooled[rows].mean(0), recipe.strengths)
            _fit_linear(heads, inputs, prototypes, pairs, recipe)
        for number, member in enumerate(heads.members):
            assert isinstance(member, Member)
            _fit_member(heads, member, inputs, prototypes, pairs, recipe, recipe.seed + number)
    return heads.eval().requires_grad_(False)


def _fit_statistics(heads: Heads, pairs: Pairs, rows: torch.Tensor) -> None:
    stages = torch.cat([view.stages for view in pairs.views])
    heads.stage_mean.copy_(stages.mean(0))
    heads.stage_spread.copy_(stages.std(0) + 1e-3)
    base = pairs.views[0].pooled[rows]
    heads.conse_mean.copy_(heads.conse(base, heads.shape.temperature).mean(0))
    names = pairs.class_names - pairs.class_names.mean(0)
    heads.conse_basis.copy_(torch.linalg.svd(names, full_matrices=False)[2][: heads.shape.conse].T)


def _prototypes(heads: Heads, mean: torch.Tensor, strengths: Sequence[float]) -> torch.Tensor:
    """Inputs of made-up features: the mean picture, pushed towards each ImageNet class.

    Returns:
        Shape (1000 * len(strengths), INPUT). Their stages are those of the mean picture.
    """
    direction = normalize(heads.class_weight, dim=1)
    pooled = torch.cat([(mean + length * direction).clamp_min(0) for length in strengths])
    return heads.image_input(Features(pooled, heads.stage_mean.expand(len(pooled), -1)))


def _fit_linear(
    heads: Heads,
    inputs: Sequence[torch.Tensor],
    prototypes: torch.Tensor,
    pairs: Pairs,
    recipe: Recipe,
) -> None:
    weight = torch.from_numpy(np.where(pairs.is_caption, 1.0, recipe.other_text_weight)).float()
    texts = pairs.texts[pairs.text]
    x = torch.cat([view[pairs.picture] for view in inputs])
    y, w = texts.repeat(len(inputs), 1), weight.repeat(len(inputs))
    if recipe.prototypes:
        count = len(recipe.strengths)
        x, y = torch.cat([x, prototypes]), torch.cat([y, pairs.class_names.repeat(count, 1)])
        w = torch.cat([w, torch.full((len(prototypes),), recipe.prototypes)])
    mean_x, map_x, mean_y, map_y = fit_cca(
        x,
        y,
        w,
        size=recipe.shape.learned,
        ridge_x=recipe.ridge_image,
        ridge_y=recipe.ridge_text,
        power=recipe.power,
    )
    heads.image_mean.copy_(mean_x)
    # Only the direction of the result counts; this keeps the numbers well inside float16.
    heads.image_map.copy_(10 * map_x / map_x.norm())
    heads.text_mean.copy_(mean_y)
    heads.text_map.copy_(10 * map_y / map_y.norm())
    spread = x.std(0)
    heads.image_spread.copy_(spread + 0.1 * spread.mean())


def _fit_member(
    heads: Heads,
    member: Member,
    inputs: Sequence[torch.Tensor],
    prototypes: torch.Tensor,
    pairs: Pairs,
    recipe: Recipe,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    weight = np.where(pairs.is_caption, 1.0, recipe.other_text_weight)
    order = np.argsort(pairs.picture, kind="stable")
    pictures, first = np.unique(pairs.picture[order], return_index=True)
    heap = np.cumsum(weight[order])
    below = np.concatenate([[0.0], heap])[np.append(first, len(order))]
    batch = min(recipe.batch, len(pictures))
    scale = torch.tensor(3.0, requires_grad=True)
    groups: list[dict[str, Any]] = [
        {"params": member.parameters()},
        {"params": [scale], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=recipe.rate, weight_decay=recipe.decay)
    steps = recipe.epochs * max(1, round(len(pictures) / batch))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.rate, total_steps=steps, pct_start=0.1
    )
    stacked = torch.stack(list(inputs))
    member.train()
    for _ in range(steps):
        chosen = rng.choice(len(pictures), batch, replace=False)
        # One text a picture, drawn by weight.
        point = below[chosen] + rng.random(batch) * (below[chosen + 1] - below[chosen])
        pair = order[np.minimum(np.searchsorted(heap, point, "right"), len(order) - 1)]
        view = rng.integers(0, len(inputs), batch)
        x, t = stacked[view, pairs.picture[pair]], pairs.texts[pairs.text[pair]]
        label = pairs.label[pairs.picture[pair]]
        if recipe.prototypes:
            made = rng.integers(0, len(prototypes), batch // 10)
            x, t = torch.cat([x, prototypes[made]]), torch.cat([t, pairs.class_names[made % 1000]])
            label = np.concatenate([label, -1 - made % 1000])
        images, texts = heads.learned_image(x, [member]), heads.learned_text(t, [member])
        loss = contrastive_loss(scale.exp() * images @ texts.T, torch.from_numpy(label))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    member.eval()


def contrastive_loss(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of rows and of columns; equal labels share the target evenly.

    Args:
        logits: Scaled cosines of n images and their n texts, shape (n, n).
        label: Number of each pair's caption, shape (n,).
    """
    same = (label[:, None] == label[None, :]).float()
    target = same / same.sum(1, keepdim=True)
    rows = -(target * logits.log_softmax(1)).sum(1).mean()
    columns = -(target.T * logits.log_softmax(0)).sum(0).mean()
    return rows + columns


def conse_floor(features: Features, class_names: torch.Tensor) -> torch.Tensor:
    """Image vectors of plain ConSE; its texts are the sentence vectors."""
    from scoring.encoders.lite0 import classifier_rows

    weight, bias = classifier_rows()
    return conse(features.pooled @ weight.T + bias, class_names)


def ridge_floor(pairs: Pairs, features: Features, ridge: float = 0.3) -> torch.Tensor:
    """Image vectors of a ridge regression from the unit pooled feature to the caption's vector.

    Args:
        pairs: Training pairs; only captions and unchanged views are used.
        features: Pictures to predict for.
        ridge: Added to the diagonal of the scatter matrix.
    """
    keep = pairs.is_caption
    x = normalize(pairs.views[0].pooled, dim=1)[pairs.picture[keep]]
    y = pairs.texts[pairs.text[keep]]
    centre, target = x.mean(0), y.mean(0)
    a = x - centre
    solution = torch.linalg.solve(a.T @ a + ridge * torch.eye(a.shape[1]), a.T @ (y - target))
    return normalize((normalize(features.pooled, dim=1) - centre) @ solution, dim=1)
