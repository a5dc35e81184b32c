"""The scores of a proxy by name, each made from what it needs: signals, models, many trainings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from scoring.dynamics.classifier import right_after, steps_of
from scoring.dynamics.curvature import Direction, input_curvature
from scoring.dynamics.gradients import grand, grand_last_layer
from scoring.dynamics.proxies import Make
from scoring.dynamics.scores import aum, el2n, entropy, forgetting, loss, margin
from scoring.dynamics.signals import Signals
from scoring.dynamics.subsets import Memorization, subset_runs
from scoring.dynamics.trainer import (
    Progress,
    Recipe,
    canonical_rows,
    identity_of,
    train_signals,
)

FROM_SIGNALS: dict[str, Callable[[Signals], np.ndarray]] = {
    "forgetting": forgetting,
    "aum": aum,
    "loss": loss,
}
FROM_LOGITS: dict[str, Callable[[Signals, int | None], np.ndarray]] = {
    "el2n": el2n,
    "grand": grand_last_layer,
    "entropy": entropy,
    "margin": margin,
}
DIRECTION: dict[str, Direction] = {"curvature": "rademacher", "curvature-sign": "sign"}
NAMED = (*FROM_SIGNALS, *FROM_LOGITS, "grand-all", *DIRECTION, "memorization")
"""Names; ``grand`` is that of the last layer, ``grand-all`` that of all parameters; ``curvature``
is the local form, ``curvature-sign`` that of SLo-Curves. What is said of each:
:data:`scoring.dynamics.catalogue.SCORES`."""
SUBSETS = 60
"""Trainings for ``memorization``, each on seven tenths of the samples: the standard error of one
sample's difference is 0.14 at most (Feldman and Zhang had 2,000 trainings)."""


@dataclass(frozen=True)
class Proxy:
    """A classifier that is trained in place of a larger one, and what its trainings say.

    Attributes:
        make: Makes it.
        inputs: (n, ...) as for :func:`scoring.dynamics.trainer.train_signals`.
        labels: (n,) classes from 0 up.
        ids: n ids.
        recipe: How it is trained.
        seeds: One training each.
        name: Of the model.
        folder: Where trainings are kept.
        device: Where.
        on_progress: Called with stage, done and expected.
        epoch: After which ``el2n``, ``grand``, ``entropy`` and ``margin`` are read off; by default
            the last. What hangs on the whole training, or on its end, is not moved by it.
    """

    make: Make
    inputs: np.ndarray
    labels: np.ndarray
    ids: Sequence[Any]
    recipe: Recipe
    seeds: Sequence[int]
    name: str
    folder: Path
    device: str = "cpu"
    on_progress: Progress = lambda stage, done, total: None
    epoch: int | None = None

    def score(self, name: str) -> np.ndarray:
        """(n,) score of :data:`NAMED`; higher is harder."""
        if name in FROM_LOGITS:
            return FROM_LOGITS[name](self.signals, self.epoch)
        if name in FROM_SIGNALS:
            return FROM_SIGNALS[name](self.signals)
        if name == "grand-all":
            return grand(self.models, self.inputs, self.labels, device=self.device)
        if name in DIRECTION:
            each = [
                input_curvature(
                    one, self.inputs, self.labels, direction=DIRECTION[name], ids=self.ids,
                    device=self.device,
                )
                for one in self.models
            ]  # fmt: skip
            return np.asarray(np.mean(each, axis=0))
        return self.memorization.memorization

    def trained_seconds(self, name: str) -> float:
        """Seconds of the trainings that a score comes from, whenever they were done."""
        return self.memorization.seconds if name == "memorization" else self.signals.seconds

    def standard_error(self, name: str) -> float | None:
        """The largest that one sample's score can have, where it is known: of memorization."""
        return self.memorization.worst_error if name == "memorization" else None

    @cached_property
    def signals(self) -> Signals:
        """Trained when first asked for."""
        snapshots = {self.recipe.epochs, self.epoch or self.recipe.epochs}
        return train_signals(
            self.make, self.inputs, self.labels, self.folder, name=self.name, ids=self.ids,
            recipe=self.recipe, seeds=self.seeds, snapshots=sorted(snapshots), device=self.device,
            on_progress=self.on_progress,
        )  # fmt: skip

    @property
    def models(self) -> list[nn.Module]:
        """The trained model of each seed."""
        found = []
        signals = self.signals
        devices = [torch.cuda.current_device()] if self.device.startswith("cuda") else []
        for seed in signals.seeds:
            with torch.random.fork_rng(devices):  # weights are drawn, and thrown away
                model = self.make()
            state = torch.load(
                self.folder / f"run-{seed}.pt", map_location="cpu", weights_only=True
            )
            model.load_state_dict(state["model"])
            found.append(model)
        return found

    @cached_property
    def memorization(self) -> Memorization:
        """Trained on many parts when first asked for; in the order of the rows."""
        names = np.asarray(self.ids, dtype=object)
        order = canonical_rows(names)  # whatever order the rows came in
        inputs, labels = self.inputs[order], self.labels[order]
        every = np.arange(len(labels))

        def fit(part: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
            own = right_after(
                self.make, inputs, labels, part, every,
                steps_of(len(part), self.recipe), recipe=self.recipe, seed=seed, device=self.device,
            )  # fmt: skip
            return own, np.zeros(0, dtype=bool)

        own = identity_of(self.name, self.recipe, inputs, labels, names[order], (), self.seeds)
        made = subset_runs(
            fit, len(labels), 0, self.folder / f"subsets-{own[:16]}", runs=SUBSETS,
            seed=int(self.seeds[0]), on_progress=self.on_progress,
        )  # fmt: skip
        found = np.empty(len(labels))
        found[order] = made.memorization
        return replace(made, memorization=found)
