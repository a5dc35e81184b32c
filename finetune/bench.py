"""A bench: one model, one pool and one target, for many short trainings in memory.

Labels and comparisons take hundreds of trainings that differ only in what is trained on. The model
is opened once, every sample is prepared once, the vision features are computed once; before each
training the trained weights are put back to what they were, and after it only the losses on the
target are kept.
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data_cards.errors import BadInputError
from data_cards.sample import Sample
from finetune.arguments import row_numbers, training_arguments
from finetune.attention import quick_attention
from finetune.collate import Collator, from_pixels
from finetune.data import MAX_LENGTH, Prepared, data_hash, prepare
from finetune.options import FinetuneOptions
from finetune.order import EpochOrder
from finetune.repeatable import repeatable

if TYPE_CHECKING:
    from finetune.feature_cache import FeatureCache

Progress = Callable[[str, int, int | None], None]
TOKENS = 2048
"""Padded tokens in one pass over the target."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What one training gave.

    Attributes:
        losses: (t,) summed negative log-likelihood of each target sample's response, in nats.
        tokens: (t,) response tokens of each target sample.
        train_losses: Mean loss of each step, in nats per response token, before the step.
        seconds: Of training and measuring.
        passes: Samples that went forward, in training and in measuring.
    """

    losses: np.ndarray
    tokens: np.ndarray
    train_losses: tuple[float, ...]
    seconds: float
    passes: int

    @property
    def nll(self) -> float:
        """Nats per response token of the whole target; lower is better."""
        return float(self.losses.sum() / self.tokens.sum())


class Bench:
    """Trains on subsets of a pool and measures each result on a target.

    Args:
        pool: What subsets are taken from; ids must be distinct. Read when first trained on.
        target: What is measured on; it shares no id with the pool.
        options: How to train; ``steps``, ``epochs`` and ``seed`` can differ from run to run.
        cache: Folder for vision features.
        on_progress: Called with stage, done and expected.

    Raises:
        BadInputError: Nothing of the target can be measured on. When the pool is read: an id
            stands twice, or in both, or nothing of it can be trained on.
    """

    def __init__(
        self,
        pool: Iterable[Sample],
        target: Iterable[Sample],
        options: FinetuneOptions,
        cache: Path,
        on_progress: Progress = lambda stage, done, total: None,
    ) -> None:
        from finetune.models.load import load_vlm

        self.options = options.checked()
        loaded = load_vlm(
            self.options.model,
            dtype="auto",
            trust_remote_code=self.options.trust_remote_code,
        )
        self.model, self.processor, self.model_key = loaded.model, loaded.processor, loaded.key
        self._pool, self._folder, self._on_progress = pool, cache, on_progress
        self.target, self.target_left_out = self._prepared(target, "prepare target")
        self._choose_trained()
        self._pad = self.processor.tokenizer.pad_token_id

    @property
    def rows(self) -> Mapping[str, Prepared]:
        """The pool's samples that can be trained on, by id; prepared when first asked for."""
        return self._opened[0]

    @property
    def left_out(self) -> list[tuple[str, str]]:
        """Id and reason of each other sample of the pool."""
        return self._opened[1]

    @property
    def opened(self) -> bool:
        """Whether the pool was read."""
        return "_opened" in self.__dict__

    @property
    def vision(self) -> Any:
        """Makes the vision part of a batch: from pixels, or out of the cache."""
        cache = self._opened[2]
        return cache.vision if cache else from_pixels(self.processor)

    @cached_property
    def _opened(self) -> tuple[dict[str, Prepared], list[tuple[str, str]], FeatureCache | None]:
        rows, left_out = self._prepared(self._pool, "prepare pool")
        _require_apart(rows, self.target)
        quick_attention(self.model, [*rows, *self.target])
        cache = self._features([*rows, *self.target])
        return {row.id: row for row in rows}, left_out, cache

    def _prepared(self, samples: Iterable[Sample], stage: str) -> tuple[list[Prepared], Any]:
        return prepare(
            samples,
            self.processor,
            max_length=self.options.max_length or MAX_LENGTH,
            text_only=self.options.text_only,
            on_progress=lambda done: self._on_progress(stage, done, None),
        )

    @property
    def clusters(self) -> list[object]:
        """Label of each target sample; those of one image have the same."""
        return [row.image_key or row.id for row in self.target]

    @property
    def key(self) -> str:
        """Hash of model, target and every option that is the same for all trainings."""
        from scoring.store import content_key

        told = (self.model_key, repr(self.options.shared()), data_hash(self.target))
        return content_key(*told).hex()

    def run(
        self,
        ids: Sequence[str],
        *,
        seed: int,
        steps: int | None = None,
        epochs: float | None = None,
    ) -> Trained:
        """Train from the start on these samples and measure the target.

        Args:
            ids: Distinct ids of the pool; those that cannot be trained on are passed over.
            seed: Of the order.
            steps: Optimiser steps, or
            epochs: passes over the samples.

        Raises:
            BadInputError: None of the samples can be trained on, or the training diverged.
        """
        started = time.perf_counter()
        rows = [self.rows[id_] for id_ in ids if id_ in self.rows]
        if not rows:
            raise BadInputError(
                f"None of the {len(ids)} samples can be trained on.", "Check the pool's images."
            )
        options = replace(self.options, steps=steps, epochs=epochs, seed=seed)
        self.reset()
        with repeatable(), self.looking():
            losses, seen = self._train(rows, options) if steps != 0 else ((), 0)
            measured = self.measure()
        return Trained(
            losses=measured[:, 0],
            tokens=measured[:, 1],
            train_losses=losses,
            seconds=time.perf_counter() - started,
            passes=seen + len(self.target),
        )

    def reset(self) -> None:
        """Put the trained weights back to where every training begins."""
        import torch

        own = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, value in self._start.items():
                own[name].copy_(value)

    def looking(self) -> Any:
        """Within it the model takes what :attr:`vision` makes."""
        cache = self._opened[2]
        return cache.in_place() if cache else nullcontext()

    def collate(self, rows: Sequence[Prepared]) -> dict[str, Any]:
        """A batch on the model's device."""
        batch = Collator(rows, self._pad, self.vision).collate(rows)
        return {name: value.to(self.model.device) for name, value in batch.items()}

    def measure(self, rows: Sequence[Prepared] | None = None) -> np.ndarray:
        """Loss of the model as it stands; call it within :meth:`looking`.

        Args:
            rows: m samples; the target by default.

        Returns:
            (m, 2) summed negative log-likelihood in nats and number of response tokens.
        """
        import torch

        from finetune.losses import response_losses
        from finetune.trainable import set_modes

        wanted = self.target if rows is None else rows
        set_modes(self.model)
        self.model.eval()
        found = np.zeros((len(wanted), 2))
        for part in _batches(wanted):
            batch = self.collate([wanted[row] for row in part])
            with torch.no_grad(), self.autocast():
                losses, owners = response_losses(self.model, batch)
            sums = torch.zeros(len(part), dtype=torch.float64)
            sums.index_add_(0, owners.cpu(), losses.double().cpu())
            found[part, 0] = sums.numpy()
            found[part, 1] = np.bincount(owners.cpu().numpy(), minlength=len(part))
        return found

    def autocast(self) -> Any:
        """The precision of the training."""
        import torch

        kind = self.model.device.type
        return torch.autocast(kind, torch.bfloat16, enabled=bool(self.options.bf16))

    def _choose_trained(self) -> None:
        from finetune.trainable import choose_trained, trained_state

        lora = choose_trained(self.model, self.options)
        if lora is not None:
            import torch
            from peft import get_peft_model

            with repeatable():
                torch.manual_seed(self.options.seed)
                self.model = get_peft_model(self.model, lora)
        self._start = {n: value.clone() for n, value in trained_state(self.model).items()}

    def _features(self, rows: Sequence[Prepared]) -> FeatureCache | None:
        if not self.options.cache_features:
            return None
        from finetune.feature_cache import FeatureCache

        collator = Collator(rows, self._pad, from_pixels(self.processor))
        inner = getattr(self.model, "base_model", self.model)
        model = inner.model if self.options.train == "lora" else self.model
        bf16 = bool(self.options.bf16)
        cache = FeatureCache(
            model.eval(), self.processor, collator.collate, self._folder, bf16=bf16
        )
        size = self.options.batch_size
        cache.fill(
            rows,
            batch_size=size,
            on_progress=lambda done, total: self._on_progress("features", done, total),
        )
        seeing = [row for row in rows if row.images]
        if seeing:
            cache.verify((seeing * size)[:size])
        return cache

    def _train(
        self, rows: Sequence[Prepared], options: FinetuneOptions
    ) -> tuple[tuple[float, ...], int]:
        from finetune.trainer import Bookkeeper, VlmTrainer, training_losses

        batch = options.batch_size * options.gradient_accumulation
        lengths = [len(row.input_ids) for row in rows]
        order = EpochOrder([row.id for row in rows], lengths, batch, options.seed)
        with tempfile.TemporaryDirectory(prefix="pickwell-") as scratch:
            arguments = training_arguments(options, len(rows), batch, Path(scratch))
            arguments.save_strategy = "no"
            trainer = VlmTrainer(
                order=order,
                model=self.model,
                args=arguments,
                data_collator=Collator(rows, self._pad, self.vision),
                train_dataset=row_numbers(len(rows)),
                processing_class=self.processor,
                callbacks=[Bookkeeper(order, 0.0, lambda done, total: None)],
            )
            trainer.go_on(None)
            losses = training_losses(trainer.state.log_history)
            seen = trainer.state.global_step * batch
        del trainer
        gc.collect()
        return losses, seen


def _require_apart(pool: Sequence[Prepared], target: Sequence[Prepared]) -> None:
    names = [row.id for row in pool]
    if len(set(names)) < len(names):
        raise BadInputError("The pool holds an id twice.", "Give every sample an id of its own.")
    images = {row.image_key for row in pool if row.images}
    both = [row.id for row in target if row.id in set(names) or row.image_key in images]
    if both:
        raise BadInputError(
            f"{len(both)} samples of the target stand in the pool too, by id or by picture"
            f" (the first: {both[0]}).",
            "Measure on samples that nothing is chosen from.",
        )


def _batches(rows: Sequence[Prepared]) -> list[list[int]]:
    """Positions, rows of like length together, :data:`TOKENS` padded tokens at most."""
    ordered = sorted(range(len(rows)), key=lambda row: len(rows[row].input_ids), reverse=True)
    found: list[list[int]] = []
    for row in ordered:  # descending: the first of a batch is its longest
        if found and (len(found[-1]) + 1) * len(rows[found[-1][0]].input_ids) <= TOKENS:
            found[-1].append(row)
        else:
            found.append([row])
    return found
