"""Influence: does a step on this sample lower the loss on the target?

After LESS (Xia et al., "LESS: Selecting Influential Data for Targeted Instruction Tuning", ICML
2024, sections 3 and 4): the influence of a sample on a target is the inner product of the update
that training on it would make and of the target's gradient. Adam's update is the gradient divided,
weight by weight, by the root of its second moment; updates are brought to length 1, since long
responses have short gradients.

What it approximates, and what not: the change of the target's loss by one small step of Adam, in
the first order, at the weights after the warm-up. A training of many steps, and what samples do
together, it does not see.

Three things differ from LESS. It averages over several checkpoints; here it is one, after a short
warm-up training on random samples. It applies the first moment as well; here the momentum, which
is the same for all samples, is left out. It takes the second moment out of the optimiser, a running
mean of squared batch gradients along the training; here it is the mean squared gradient of the
single warm-up samples, all at the weights after it. Single samples vary more than batches do, so
that weights with noisy gradients are damped more.

The samples go through one after the other in one process, on one device.
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
from finetune.labels.outcomes import cluster_errors
from finetune.labels.worth import spearman
from scoring.store import KeyedStore, content_key

if TYPE_CHECKING:
    from finetune.bench import Bench

Progress = Callable[[str, int, int | None], None]
EPSILON = 1e-8
LAYOUT = 2
"""Counted up when what is kept changes."""
PROJECTIONS = pa.schema([("values", pa.list_(pa.float32())), ("seconds", pa.float64())])


@dataclass(frozen=True)
class Influence:
    """What was found.

    Attributes:
        scores: (n,) cosine of each sample's Adam update with the target's mean gradient, in
            [-1, 1]; higher is better. NaN for samples that cannot be trained on.
        deviations: (n,) standard error of each score over the target's images, those samples
            taken together that share one; the warm-up's and the projection's chance is not in it.
            NaN where the target has a single image.
        seconds: What it took, also what earlier sessions did of it.
        passes: Samples that went forward.
    """

    scores: np.ndarray
    deviations: np.ndarray
    seconds: float
    passes: int


@dataclass(frozen=True, slots=True)
class Retest:
    """Influence found a second time, with another seed.

    The seed draws the samples of the warm-up, their order, and the projection: all three change at
    once, and which of them makes scores differ is not told apart. Pool and target stay.

    Attributes:
        correlation: Spearman correlation of the scores with those found again; NaN where either
            does not vary.
        samples: How many were scored again.
        seconds: What it took.
        passes: Samples that went forward.
    """

    correlation: float
    samples: int
    seconds: float
    passes: int


def retest(first: np.ndarray, again: Influence) -> Retest:
    """Compare scores with those under another seed.

    Args:
        first: (m,) scores of the samples that were scored again. NaN: unknown; they do not count.
        again: Influence of the same m samples.
    """
    both = np.isfinite(first) & np.isfinite(again.scores)
    correlation = spearman(first[both], again.scores[both])
    return Retest(correlation, int(both.sum()), again.seconds, again.passes)


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
        seed: Of the order of the warm-up and of the projection.
        dimensions: Of the projection.
        on_progress: Called with stage, done and total.
    """
    started = time.perf_counter()
    on_progress("warm-up", 0, None)
    bench.run(warm_up, seed=seed, steps=warm_up_steps)
    known = [place for place, id_ in enumerate(ids) if id_ in bench.rows]
    rows = [bench.rows[ids[place]] for place in known]
    shapes = {n: tuple(p.shape) for n, p in bench.model.named_parameters() if p.requires_grad}
    told = repr((LAYOUT, sorted(warm_up), warm_up_steps, seed, dimensions))
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
    if len(set(bench.clusters)) > 1:
        rest = each - each.mean(1, keepdims=True)
        deviations[known] = cluster_errors(rest, bench.clusters) / each.shape[1]
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
    """Mean squared gradient of each weight over single samples, at the weights as they stand.

    Adam's own second moment is a running mean over batches; see above for the difference.
    """
    import torch

    total = {name: torch.zeros(tuple(shape)) for name, shape in shapes.items()}

    def use(row: int, found: Mapping[str, Any]) -> None:
        for name, value in found.items():
            total[name] += value.detach().float().cpu() ** 2

    sample_gradients(bench, rows, use)
    return {name: value / max(1, len(rows)) for name, value in total.items()}
