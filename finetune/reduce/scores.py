"""The scores that methods rank by, made of one proxy's training for each seed."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scoring.dynamics import Signals, aum, el2n, entropy, forgetting, grand_last_layer, loss, margin
from scoring.dynamics.trainer import train_signals

if TYPE_CHECKING:
    from finetune.reduce.run import Labelled, Plan

FROM_SIGNALS: dict[str, Callable[[Signals], np.ndarray]] = {
    "forgetting": forgetting,
    "el2n": el2n,
    "grand": grand_last_layer,
    "aum": aum,
    "loss": loss,
    "entropy": entropy,
    "margin": margin,
}
SCORES = (*FROM_SIGNALS, "prototype", "class-mean")
"""Names; ``grand`` is that of the last layer. The last two need no training."""


class Scores:
    """Scores of the training rows of one split, each made when it is first asked for.

    Args:
        data: All of the data.
        plan: Which proxy, and how it is trained.
        train: (m,) positions of the training rows.
        seed: Of the split.
        folder: Where the signals are kept.
    """

    def __init__(
        self, data: Labelled, plan: Plan, train: np.ndarray, seed: int, folder: Path
    ) -> None:
        self._data, self._plan, self._train = data, plan, train
        self._seed, self._folder = seed, folder
        self._signals: Signals | None = None
        self._seconds = 0.0
        self._made: dict[str, tuple[np.ndarray, float]] = {}

    def of(self, name: str) -> tuple[np.ndarray, float]:
        """(m,) score of each training row, higher is harder; and seconds that it took."""
        if name not in self._made:
            began = time.perf_counter()
            if name in FROM_SIGNALS:
                score = FROM_SIGNALS[name](self._trained())
                seconds = self._seconds + time.perf_counter() - began
            else:
                score = self._distance(name)
                seconds = time.perf_counter() - began
            self._made[name] = (score, seconds)
        return self._made[name]

    def _trained(self) -> Signals:
        if self._signals is None:
            began = time.perf_counter()
            plan, train = self._plan, self._train
            inputs = self._data.features if plan.proxy_inputs is None else plan.proxy_inputs
            self._signals = train_signals(
                plan.proxy,
                np.asarray(inputs[train], dtype=inputs.dtype if inputs.dtype == np.uint8 else "f4"),
                self._data.labels[train],
                self._folder,
                name=plan.describe,
                ids=self._data.ids[train].tolist(),
                recipe=plan.proxy_recipe,
                seeds=[self._seed * 1000 + run for run in range(plan.proxy_runs)],
                device=plan.device,
            )
            self._seconds = time.perf_counter() - began
        return self._signals

    def _distance(self, name: str) -> np.ndarray:
        from selector.prune.class_means import class_means
        from selector.prune.prototypes import default_prototype_count, fit_prototypes

        rows = np.asarray(self._data.features[self._train], dtype=np.float32)
        labels = self._data.labels[self._train]
        if name == "class-mean":
            return class_means(rows, labels).distance
        count = default_prototype_count(len(rows), len(np.unique(labels)))
        return fit_prototypes(rows, count, seed=self._seed).distance
