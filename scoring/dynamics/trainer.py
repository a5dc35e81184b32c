"""Train a proxy and record its signals: seeded, resumable epoch by epoch, blind to row order."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from data_cards.errors import BadInputError
from scoring.dynamics.proxies import Make, Tap
from scoring.dynamics.signals import Recorder, Signals
from scoring.store import atomic_path
from scoring.threads import threads_for

Progress = Callable[[str, int, int | None], None]
SCORED = 512
"""Samples of a pass in evaluation mode; no number depends on it."""


@dataclass(frozen=True)
class Recipe:
    """How a proxy is trained: SGD with momentum.

    Attributes:
        epochs: Passes over all samples.
        batch_size: Samples of a step; the last step of an epoch has what is left, and joins the one
            before where that would be a single sample (batch norm cannot bear it).
        learning_rate: Its peak.
        momentum: Of SGD.
        nesterov: Whether it looks ahead.
        weight_decay: L2 penalty.
        schedule: ``"cosine"`` to 0, ``"step"`` (a fifth at 30, 60 and 80 % of the epochs), or
            ``"constant"``.
    """

    epochs: int = 20
    batch_size: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    schedule: Literal["cosine", "step", "constant"] = "cosine"

    def rate(self, epoch: float) -> float:
        """Learning rate of an epoch, counted from 0; also within one."""
        share = epoch / self.epochs
        if self.schedule == "cosine":
            return float(self.learning_rate * (1 + np.cos(np.pi * share)) / 2)
        if self.schedule == "step":
            return float(self.learning_rate * 0.2 ** sum(share >= at for at in (0.3, 0.6, 0.8)))
        return self.learning_rate


def train_signals(
    make: Make,
    inputs: np.ndarray,
    labels: np.ndarray | Sequence[int],
    folder: Path | str,
    *,
    name: str,
    ids: Sequence[Any] | None = None,
    recipe: Recipe | None = None,
    seeds: Sequence[int] = (0,),
    snapshots: Sequence[int] | None = None,
    device: str | None = None,
    on_progress: Progress = lambda stage, done, total: None,
) -> Signals:
    """Train a proxy once for each seed and record what it says of every sample.

    Interrupted, the same call goes on after the last whole epoch, to the same numbers.

    Args:
        make: Makes the model; it is called under the seed of the run.
        inputs: (n, ...) float32 or uint8 (scaled to 0..1), array or memory map.
        labels: (n,) whole numbers from 0 up.
        folder: Of the signals.
        name: Of the model, for the identity of the signals.
        ids: n ids; the order of training depends on them and not on that of the rows. By default
            the rows' positions.
        recipe: How it is trained.
        seeds: One run each: weights, order and dropout.
        snapshots: Epochs, from 1, after which logits and features are kept; by default the last.
        device: Where; by default a GPU if there is one.
        on_progress: Called with ``("proxy", epochs done, epochs in all)``.

    Returns:
        The signals.

    Raises:
        BadInputError: The shapes do not fit, the folder holds something else (it is said what
            differs), or the training diverged.
    """
    if isinstance(make, nn.Module):
        raise BadInputError("make is a model", "Give what makes one: lambda: Net(), for example.")
    how = recipe or Recipe()
    kept = tuple(sorted(set(snapshots if snapshots is not None else (how.epochs,))))
    inputs, labels, folder = np.asanyarray(inputs), np.asarray(labels), Path(folder)
    _check(inputs, labels, how, kept, seeds)
    labels = labels.astype(np.int64, copy=False)
    names = np.arange(len(labels)) if ids is None else np.asarray(ids, dtype=object)
    order = canonical_rows(names)
    where = device or ("cuda" if torch.cuda.is_available() else "cpu")
    identity = identity_of(name, how, inputs, labels, names, kept, seeds)
    plan = {
        "model": name, "recipe": asdict(how), "rows": len(labels), "shape": list(inputs.shape[1:]),
        "type": str(inputs.dtype),
    }  # fmt: skip
    recorder = Recorder(folder, labels, seeds, how.epochs, kept, identity, plan)
    if recorder.told["finished"]:
        return Signals.open(folder)
    for run, seed in enumerate(seeds):
        _train(
            make, inputs, labels, order, recorder, how, kept, run, int(seed), where,
            lambda done, run=run: on_progress(  # type: ignore[misc]
                "proxy", run * how.epochs + done, len(seeds) * how.epochs
            ),
        )  # fmt: skip
    return recorder.finish()


def canonical_rows(ids: np.ndarray) -> np.ndarray:
    """Positions of rows sorted by a hash of their ids, whatever order they came in."""
    digests = [hashlib.blake2b(str(one).encode(), digest_size=16).digest() for one in ids]
    if len(set(digests)) < len(digests):
        raise BadInputError("an id stands on two rows", "Give every row an id of its own.")
    return np.array(sorted(range(len(ids)), key=digests.__getitem__), dtype=np.int64)


def batches(order: np.ndarray, size: int) -> list[np.ndarray]:
    """An epoch's rows in steps; a last single row joins the step before."""
    cuts = list(range(size, len(order), size))
    if cuts and len(order) - cuts[-1] == 1:
        cuts.pop()
    return np.split(order, cuts)


def optimiser_of(model: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    """SGD as the recipe says, at its peak rate."""
    return torch.optim.SGD(
        model.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum,
        nesterov=recipe.nesterov, weight_decay=recipe.weight_decay,
    )  # fmt: skip


def tensor_of(inputs: np.ndarray, rows: np.ndarray, device: str) -> torch.Tensor:
    """Some rows as float32 on the device."""
    part = np.ascontiguousarray(inputs[rows])
    made = torch.from_numpy(part).to(device)
    return made.float().div_(255.0) if made.dtype == torch.uint8 else made.float()


def _train(
    make: Make,
    inputs: np.ndarray,
    labels: np.ndarray,
    order: np.ndarray,
    recorder: Recorder,
    recipe: Recipe,
    snapshots: Sequence[int],
    run: int,
    seed: int,
    device: str,
    on_epoch: Callable[[int], None],
) -> None:
    """One run, from its last whole epoch on."""
    path = recorder.folder / f"run-{seed}.pt"
    devices = [torch.cuda.current_device()] if device.startswith("cuda") else []
    with torch.random.fork_rng(devices), ExitStack() as threads:
        torch.manual_seed(seed)
        model = make().to(device)
        threads.enter_context(threads_for(model))
        optimiser = optimiser_of(model, recipe)
        done = 0
        if path.is_file():
            state = torch.load(path, map_location=device, weights_only=True)
            model.load_state_dict(state["model"])
            optimiser.load_state_dict(state["optimiser"])
            done = int(state["epoch"])
        on_epoch(done)
        for epoch in range(done, recipe.epochs):
            began = time.perf_counter()
            torch.manual_seed(int(np.random.default_rng([seed, epoch]).integers(2**62)))
            _epoch(
                model, optimiser, inputs, labels, order, recorder, recipe, run, seed, epoch, device
            )
            if epoch + 1 in snapshots:
                _snapshot(model, inputs, recorder, run, epoch + 1, device)
            recorder.flush()
            state = {
                "model": model.state_dict(),
                "optimiser": optimiser.state_dict(),
                "epoch": epoch + 1,
            }
            recorder.took(time.perf_counter() - began)
            with atomic_path(path) as temporary:
                torch.save(state, temporary)
            on_epoch(epoch + 1)


def _epoch(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    inputs: np.ndarray,
    labels: np.ndarray,
    order: np.ndarray,
    recorder: Recorder,
    recipe: Recipe,
    run: int,
    seed: int,
    epoch: int,
    device: str,
) -> None:
    """Present every sample once, and note how it did."""
    shuffled = order[np.random.default_rng([seed, epoch, 1]).permutation(len(order))]
    for group in optimiser.param_groups:
        group["lr"] = recipe.rate(epoch)
    model.train()
    found = {kind: recorder.presented(kind) for kind in ("correct", "margin", "loss")}
    for rows in batches(shuffled, recipe.batch_size):
        wanted = torch.from_numpy(labels[rows]).to(device)
        logits = model(tensor_of(inputs, rows, device))
        _refuse_unknown_classes(logits, recorder.told["classes"])
        losses = nn.functional.cross_entropy(logits, wanted, reduction="none")
        optimiser.zero_grad(set_to_none=True)
        losses.mean().backward()
        optimiser.step()
        each = losses.detach()
        if not torch.isfinite(each).all():
            bad = int(rows[int((~torch.isfinite(each)).nonzero()[0, 0])])
            raise BadInputError(
                f"the loss of row {bad} is not finite in epoch {epoch + 1}: it diverged",
                "Lower the learning rate, or look at the inputs.",
            )
        chance = logits.detach().float().softmax(1)
        own = chance.gather(1, wanted[:, None])[:, 0]
        other = chance.scatter(1, wanted[:, None], -1.0).amax(1)
        found["correct"][run, epoch, rows] = (logits.argmax(1) == wanted).cpu().numpy()
        found["margin"][run, epoch, rows] = (own - other.clamp(min=0.0)).cpu().numpy()
        found["loss"][run, epoch, rows] = each.float().cpu().numpy()


def _refuse_unknown_classes(logits: torch.Tensor, classes: int) -> None:
    """Each class has a logit."""
    if logits.ndim != 2 or logits.shape[1] < classes:
        raise BadInputError(
            f"there are labels up to {classes - 1}, and the model answers with "
            f"{tuple(logits.shape[1:])} logits for a sample",
            f"Make a model of {classes} classes or more.",
        )


def _snapshot(
    model: nn.Module, inputs: np.ndarray, recorder: Recorder, run: int, epoch: int, device: str
) -> None:
    """Logits and features of all samples, in evaluation mode."""
    model.eval()
    with torch.inference_mode(), Tap(model) as tap:
        for start in range(0, len(inputs), SCORED):
            rows = np.arange(start, min(start + SCORED, len(inputs)))
            logits = model(tensor_of(inputs, rows, device))
            assert tap.features is not None
            features = tap.features.flatten(1)
            for kind, values in (("logits", logits), ("features", features)):
                file = recorder.snapshot(kind, epoch, values.shape[1])
                file[run, rows] = values.float().cpu().numpy()


def _check(
    inputs: np.ndarray, labels: np.ndarray, recipe: Recipe, kept: Sequence[int], seeds: Any
) -> None:
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or not len(labels) or labels.min() < 0:
        raise BadInputError(
            f"labels of {labels.dtype} and shape {labels.shape} are not whole numbers from 0 up",
            "Number the classes: names, numbers = numpy.unique(labels, return_inverse=True).",
        )
    if inputs.dtype.kind not in "iuf" or inputs.ndim < 2 or len(inputs) != len(labels):
        raise BadInputError(
            f"inputs of {inputs.dtype} and shape {inputs.shape} beside {len(labels):,} labels",
            "Give one array of numbers, a row for each label.",
        )
    if not seeds or len(set(seeds)) < len(seeds):
        raise BadInputError(f"seeds {list(seeds)}", "Give one or more, all different.")
    wrong = [epoch for epoch in kept if not 1 <= epoch <= recipe.epochs]
    if wrong or recipe.epochs < 1 or recipe.batch_size < 2:
        raise BadInputError(
            f"epochs {recipe.epochs}, snapshots {list(kept)}, batches of {recipe.batch_size}",
            "1 epoch or more, snapshots among them, batches of 2 or more.",
        )


def identity_of(
    name: str,
    recipe: Recipe,
    inputs: np.ndarray,
    labels: np.ndarray,
    ids: np.ndarray,
    kept: Sequence[int],
    seeds: Sequence[int],
) -> str:
    """Hash of everything that decides a training's numbers: model, recipe, data, seeds."""
    digest = hashlib.sha256(repr((name, asdict(recipe), inputs.shape, str(inputs.dtype))).encode())
    digest.update(repr((list(kept), [int(seed) for seed in seeds])).encode())
    for start in range(0, len(inputs), 4096):
        digest.update(np.ascontiguousarray(inputs[start : start + 4096]).tobytes())
    digest.update(np.ascontiguousarray(labels).tobytes())
    digest.update("\0".join(map(str, ids)).encode())
    return digest.hexdigest()
