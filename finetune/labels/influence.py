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

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from finetune.data import Prepared, data_hash
from finetune.labels.gradients import DIMENSIONS, Sketch, sample_gradients
from scoring.store import KeyedStore, content_key

if TYPE_CHECKING:
    from finetune.bench import Bench

Progress = Callable[[str, int, int | None], None]
EPSILON = 1e-8
PROJECTIONS = pa.schema([("values", pa.list_(pa.float32())), ("seconds", pa.float64())])


@dataclass(frozen=True)
class Influence:
    """What was found.

    Attributes:
        scores: (n,) cosine of each sample's Adam update with the target's mean gradient, in
            [-1, 1]; higher is better. NaN for samples that cannot be trained on.
        deviations: (n,) standard error of each score over target samples.
        seconds: What it took, also what earlier sessions did of it.
        passes: Samples that went forward.
    """

    scores: np.ndarray
    deviations: np.ndarray
    seconds: float
    passes: int


def influence(
    bench: Bench,
    ids: Sequence[str],
    *,
    warm_up: Sequence[str],
    warm_up_steps: int,
    kept: Path,
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
        kept: Folder where projections are kept batch by batch: an interrupted run repeats the
            warm-up and no more.
        seed: Of the warm-up and the projection.
        dimensions: Of the projection.
        on_progress: Called with stage, done and total.
    """
    started = time.perf_counter()
    on_progress("warm-up", 0, None)
    bench.run(warm_up, seed=seed, steps=warm_up_steps)
    known = [place for place, id_ in enumerate(ids) if id_ in bench.rows]
    rows = [bench.rows[ids[place]] for place in known]
    shapes = {n: tuple(p.shape) for n, p in bench.model.named_parameters() if p.requires_grad}
    told = repr((sorted(warm_up), warm_up_steps, seed, dimensions))
    sketch = Sketch(shapes, dimensions, seed)
    with bench.looking():
        warm = [bench.rows[id_] for id_ in warm_up if id_ in bench.rows]
        moments = _second_moments(bench, warm, shapes)
        scale = {name: 1 / (value.sqrt() + EPSILON) for name, value in moments.items()}
        before = time.perf_counter() - started
        store = KeyedStore(kept, PROJECTIONS)

        def projected(
            stage: str, part: Sequence[Prepared], change: Callable[[str, Any], Any]
        ) -> tuple[np.ndarray, float]:
            keys = [content_key(bench.key, told, stage, data_hash([row])) for row in part]
            return _projected(
                bench, part, keys, sketch, change, store, lambda n, of: on_progress(stage, n, of)
            )

        targets, took = projected("gradients of the target", bench.target, lambda n, g: g)
        updates, took_more = projected(
            "gradients of the pool", rows, lambda name, gradient: gradient * scale[name]
        )
    units = updates / np.maximum(np.linalg.norm(updates, axis=1, keepdims=True), 1e-30)
    each = units @ targets.T / max(float(np.linalg.norm(targets.mean(0))), 1e-30)
    scores = np.full(len(ids), np.nan)
    deviations = np.full(len(ids), np.nan)
    scores[known] = each.mean(1)
    deviations[known] = each.std(1, ddof=1) / np.sqrt(each.shape[1]) if each.shape[1] > 1 else 0
    seen = warm_up_steps * bench.options.batch_size * bench.options.gradient_accumulation
    passes = seen + len(warm) + 2 * len(bench.target) + len(rows)
    return Influence(scores, deviations, before + took + took_more, passes)


def _projected(
    bench: Bench,
    rows: Sequence[Prepared],
    keys: Sequence[bytes],
    sketch: Sketch,
    change: Callable[[str, Any], Any],
    store: KeyedStore,
    on_progress: Callable[[int, int], None],
) -> tuple[np.ndarray, float]:
    """(m, d) projected gradients, changed by name before, and the seconds that they took."""
    found: dict[int, np.ndarray] = {}
    clock = [time.perf_counter()]
    seen = 0

    def use(row: int, gradients: Mapping[str, Any]) -> None:
        found[row] = sketch({name: change(name, value) for name, value in gradients.items()})

    def wanted(part: Sequence[int]) -> bool:
        clock[0] = time.perf_counter()
        return bool(store.missing([keys[row] for row in part]))

    def done(part: Sequence[int]) -> None:
        nonlocal seen
        if found:
            seconds = (time.perf_counter() - clock[0]) / len(part)
            made = [{"values": found[row], "seconds": seconds} for row in part]
            store.append([keys[row] for row in part], pa.Table.from_pylist(made, PROJECTIONS))
            found.clear()
        seen += len(part)
        on_progress(seen, len(rows))

    sample_gradients(bench, rows, use, wanted=wanted, done=done)
    table = store.take(keys)
    values = table["values"].combine_chunks().flatten().to_numpy()
    return values.reshape(len(rows), sketch.dimensions), float(table["seconds"].to_numpy().sum())


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
