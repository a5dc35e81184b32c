"""Every option of a training, checked before a model is opened."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from data_cards.errors import BadInputError

Train = Literal["projector", "lora", "all"]

LEARNING_RATES = {"projector": 1e-3, "lora": 2e-4, "all": 2e-5}
"""Peak learning rates where none is given, by what is trained."""

EPOCHS = 3.0
"""Passes over the data where neither steps nor epochs are given."""

_WITHOUT_EFFECT = ("cache", "model", "resume", "save_every", "trust_remote_code", "workers")
"""Of the model, its content is compared, and not how it was named."""

_COUNTS = (
    "steps",
    "batch_size",
    "gradient_accumulation",
    "max_length",
    "lora_rank",
    "lora_alpha",
    "save_every",
)


@dataclass(frozen=True, slots=True)
class FinetuneOptions:
    """How to fine-tune.

    Attributes:
        model: ``"embedded"``, a folder that ``from_pretrained`` opens, or a hub id.
        train: ``projector`` (what joins vision and language), ``lora`` (low-rank adapters on the
            language model's linear layers, merged at the end), or ``all`` weights.
        steps: Optimiser steps; excludes ``epochs``.
        epochs: Passes over the data; :data:`EPOCHS` if neither is given.
        batch_size: Samples in one forward pass of one process.
        gradient_accumulation: Forward passes in one optimiser step.
        learning_rate: Peak, of AdamW; :data:`LEARNING_RATES` by default.
        warmup: Share of the steps over which the learning rate rises; it then falls as a cosine.
        weight_decay: Of AdamW.
        max_length: Longest sample in tokens, those of the image counted; a longer one is left
            out. By default what the language model was made for, 2,048 at most.
        bf16: Compute in bfloat16 (trained weights stay float32); by default where a GPU can.
        lora_rank: Rank of the adapters.
        lora_alpha: Their scale; twice the rank by default.
        lora_dropout: Dropout before them.
        gradient_checkpointing: Compute activations twice to need less memory.
        text_only: Also train on samples without an image, rather than leave them out.
        cache_features: Run the vision tower once per image and keep what it gave.
        cache: Folder for that; the user's cache folder by default.
        seed: Of data order, adapters and dropout.
        save_every: Steps between checkpoints; by default a tenth of all steps, at least ten.
        resume: Go on with what an interrupted training left in the folder; ``False`` begins anew,
            also over a finished one.
        workers: Processes that decode images ahead; 0 is none.
        trust_remote_code: Run code that a model brings along.
    """

    model: str = "embedded"
    train: Train = "projector"
    steps: int | None = None
    epochs: float | None = None
    batch_size: int = 8
    gradient_accumulation: int = 1
    learning_rate: float | None = None
    warmup: float = 0.03
    weight_decay: float = 0.0
    max_length: int | None = None
    bf16: bool | None = None
    lora_rank: int = 16
    lora_alpha: int | None = None
    lora_dropout: float = 0.0
    gradient_checkpointing: bool = False
    text_only: bool = False
    cache_features: bool = False
    cache: Path | None = None
    seed: int = 0
    save_every: int | None = None
    resume: bool = True
    workers: int = 0
    trust_remote_code: bool = False

    def checked(self) -> FinetuneOptions:
        """The options with every default filled in that needs no model.

        Raises:
            BadInputError: An option is out of range, or two exclude each other.
        """
        if self.train not in get_args(Train):
            raise BadInputError(
                f"--train {self.train!r} is unknown.", f"One of {', '.join(get_args(Train))}."
            )
        if self.steps is not None and self.epochs is not None:
            raise BadInputError("Both steps and epochs are given.", "Give one of them.")
        for name in _COUNTS:
            _require(getattr(self, name), name, "at least 1", lambda value: value >= 1)
        for name in ("weight_decay", "workers", "seed"):
            _require(getattr(self, name), name, "at least 0", lambda value: value >= 0)
        for name in ("epochs", "learning_rate"):
            _require(getattr(self, name), name, "above 0", lambda value: value > 0)
        for name in ("warmup", "lora_dropout"):
            _require(getattr(self, name), name, "in [0, 1)", lambda value: 0 <= value < 1)
        if self.cache_features and self.train == "all":
            raise BadInputError(
                "--cache-features needs a frozen vision tower, and --train all trains it.",
                "Leave out --cache-features, or train the projector or lora.",
            )
        if self.text_only and self.train == "projector":
            raise BadInputError(
                "Samples without an image teach a projector nothing.",
                "Leave out --text-only, or train lora or all.",
            )
        return replace(
            self,
            epochs=EPOCHS if self.steps is None and self.epochs is None else self.epochs,
            learning_rate=self.learning_rate or LEARNING_RATES[self.train],
            bf16=_gpu_has_bf16() if self.bf16 is None else self.bf16,
            lora_alpha=self.lora_alpha or 2 * self.lora_rank,
        )

    def cached_in(self, folder: Path) -> FinetuneOptions:
        """The same with another folder for features."""
        return replace(self, cache=folder)

    def record(self) -> dict[str, Any]:
        """The options as JSON values."""
        return {
            name: str(value) if isinstance(value, Path) else value
            for name, value in asdict(self).items()
        }

    def deciding(self) -> dict[str, Any]:
        """Only the options on which the trained weights depend."""
        unused = set(_WITHOUT_EFFECT)
        if self.train != "lora":
            unused |= {field.name for field in fields(self) if field.name.startswith("lora_")}
        return {name: value for name, value in self.record().items() if name not in unused}

    def shared(self) -> dict[str, Any]:
        """Of these, what many short trainings have in common: length and order are their own.

        The seed stays where it draws the weights that every training begins with.
        """
        own = {"steps", "epochs"} | ({"seed"} if self.train != "lora" else set())
        return {name: value for name, value in self.deciding().items() if name not in own}


def _require(value: Any, name: str, words: str, holds: Any) -> None:
    if value is not None and not (math.isfinite(value) and holds(value)):
        raise BadInputError(f"{name} is {value}.", f"It must be {words}.")


def _gpu_has_bf16() -> bool:
    import torch

    return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
