"""Influence: does a step on this sample lower the loss on the target?

After LESS (Xia et al., "LESS: Selecting Influential Data for Targeted Instruction Tuning", ICML
2024, sections 3 and 4): the influence of a sample on a target is the inner product of the update
that training on it would make and of the target's gradient. Adam's update is the gradient divided,
weight by weight, by the root of its second moment, which a short warm-up training on random samples
estimates; updates are brought to length 1, since long responses have short gradients.

What it approximates, and what not: the change of the target's loss by one small step of Adam, in
the first order, at the weights after the warm-up. A training of many steps, and what samples do
together, it does not see. (LESS averages over several checkpoints and applies the first moment as
well; here it is one checkpoint, and the momentum, which is the same for all samples, is left out.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from finetune.labels.gradients import DIMENSIONS, Sketch, sample_gradients

if TYPE_CHECKING:
    from finetune.bench import Bench

Progress = Callable[[str, int, int | None], None]
EPSILON = 1e-8


@dataclass(frozen=True)
class Influence:
    """What was found.

    Attributes:
        scores: (n,) cosine of each sample's Adam update with the target's mean gradient, in
            [-1, 1]; higher is better. NaN for samples that cannot be trained on.
        deviations: (n,) standard error of each score over target samples.
        projections: (n, d) float16 unit vectors, for other targets; NaN as above.
        passes: Samples that went forward.
    """

    scores: np.ndarray
    deviations: np.ndarray
    projections: np.ndarray
    passes: int


def influence(
    bench: Bench,
    ids: Sequence[str],
    *,
    warm_up: Sequence[str],
    warm_up_steps: int,
    seed: int = 0,
    dimensions: int = DIMENSIONS,
    on_progress: Progress = lambda stage, done, total: None,
) -> Influence:
    """Influence of samples on the bench's target.

    Args:
        bench: Model, pool and target.
        ids: n ids.
        warm_up: Ids of the warm-up training.
        warm_up_steps: Its optimiser steps; 0 takes gradients at the untrained weights, and their
            own second moment over the samples for Adam's.
        seed: Of the warm-up and the projection.
        dimensions: Of the projection.
        on_progress: Called with stage, done and total.
    """
    on_progress("warm-up", 0, None)
    bench.run(warm_up, seed=seed, steps=warm_up_steps)
    known = [place for place, id_ in enumerate(ids) if id_ in bench.rows]
    rows = [bench.rows[ids[place]] for place in known]
    shapes = {n: tuple(p.shape) for n, p in bench.model.named_parameters() if p.requires_grad}
    sketch = Sketch(shapes, dimensions, seed)
    with bench.looking():
        warm = [bench.rows[id_] for id_ in warm_up if id_ in bench.rows]
        moments = _second_moments(bench, warm, shapes)
        scale = {name: 1 / (value.sqrt() + EPSILON) for name, value in moments.items()}
        targets = np.zeros((len(bench.target), dimensions), np.float32)
        sample_gradients(
            bench,
            bench.target,
            lambda row, found: targets.__setitem__(row, sketch(found)),
            on_progress=lambda done, total: on_progress("gradients of the target", done, total),
        )
        updates = np.zeros((len(rows), dimensions), np.float32)

        def use(row: int, found: Mapping[str, Any]) -> None:
            updates[row] = sketch({name: value * scale[name] for name, value in found.items()})

        sample_gradients(
            bench,
            rows,
            use,
            on_progress=lambda done, total: on_progress("gradients of the pool", done, total),
        )
    units = updates / np.maximum(np.linalg.norm(updates, axis=1, keepdims=True), 1e-30)
    each = units @ targets.T / max(float(np.linalg.norm(targets.mean(0))), 1e-30)
    scores = np.full(len(ids), np.nan)
    deviations = np.full(len(ids), np.nan)
    projections = np.full((len(ids), dimensions), np.nan, np.float16)
    scores[known] = each.mean(1)
    deviations[known] = each.std(1, ddof=1) / np.sqrt(each.shape[1]) if each.shape[1] > 1 else 0
    projections[known] = units.astype(np.float16)
    passes = len(warm_up) + 2 * len(bench.target) + len(rows)
    return Influence(scores, deviations, projections, passes)


def _second_moments(
    bench: Bench, rows: Sequence[Any], shapes: Mapping[str, Sequence[int]]
) -> dict[str, Any]:
    """Mean squared gradient of each weight over samples: what Adam's second moment estimates."""
    import torch

    total = {name: torch.zeros(tuple(shape)) for name, shape in shapes.items()}

    def use(row: int, found: Mapping[str, Any]) -> None:
        for name, value in found.items():
            total[name] += value.detach().float().cpu() ** 2

    sample_gradients(bench, rows, use)
    return {name: value / max(1, len(rows)) for name, value in total.items()}
