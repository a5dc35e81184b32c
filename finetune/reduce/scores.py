"""The scores that methods rank by, made of one proxy's training for each seed."""

from __future__ import annotations

import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scoring.dynamics.named import NAMED, Proxy
from scoring.dynamics.proxies import centred
from scoring.dynamics.trainer import Progress

if TYPE_CHECKING:
    from finetune.reduce.run import Labelled, Plan

SCORES = (*NAMED, "prototype", "class-mean")
"""Names; the last two need no training."""


class Scores:
    """Scores of the training rows of one split, each made when it is first asked for.

    Args:
        data: All of the data.
        plan: Which proxy, and how it is trained.
        train: (m,) positions of the training rows.
        seed: Of the split.
        folder: Where the signals are kept.
        on_progress: Called with stage, done and expected while a proxy is trained.
    """

    def __init__(
        self,
        data: Labelled,
        plan: Plan,
        train: np.ndarray,
        seed: int,
        folder: Path,
        *,
        on_progress: Progress = lambda stage, done, total: None,
    ) -> None:
        self._data, self._plan, self._train = data, plan, train
        self._seed, self._folder, self._on_progress = seed, folder, on_progress
        self._made: dict[str, tuple[np.ndarray, float]] = {}

    def of(self, name: str) -> tuple[np.ndarray, float]:
        """(m,) score of each training row, higher is harder; and seconds that it took.

        Scores that are read off the same training all count its seconds, as they were when it
        was done, be it in an earlier call.
        """
        if name not in self._made:
            trained = self._proxy.trained_seconds(name) if name in NAMED else 0.0
            began = time.perf_counter()
            score = self._proxy.score(name) if name in NAMED else self._distance(name)
            self._made[name] = (score, trained + time.perf_counter() - began)
        return self._made[name]

    def error_of(self, name: str) -> float | None:
        """Largest standard error of one row's score, where it is known."""
        return self._proxy.standard_error(name) if name in NAMED else None

    @cached_property
    def _proxy(self) -> Proxy:
        plan, train = self._plan, self._train
        given = plan.proxy_inputs
        rows = centred(self._data.features[train]) if given is None else given[train]
        return Proxy(
            plan.proxy,
            np.asarray(rows, dtype=rows.dtype if rows.dtype == np.uint8 else "f4"),
            self._data.labels[train],
            self._data.ids[train].tolist(),
            plan.proxy_recipe,
            [self._seed * 1000 + run for run in range(plan.proxy_runs)],
            plan.describe,
            self._folder,
            plan.device,
            self._on_progress,
            epoch=plan.proxy_epoch,
        )

    def _distance(self, name: str) -> np.ndarray:
        from selector.prune.class_means import class_means
        from selector.prune.prototypes import default_prototype_count, fit_prototypes

        rows = np.asarray(self._data.features[self._train], dtype=np.float32)
        labels = self._data.labels[self._train]
        if name == "class-mean":
            return class_means(rows, labels).distance
        count = default_prototype_count(len(rows), len(np.unique(labels)))
        return fit_prototypes(rows, count, seed=self._seed).distance
