"""What a training gave, as returned and as written to ``training.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from data_cards.errors import BadInputError

RECORD = "training.json"
"""Written last: a folder with it is finished."""

FORMAT = "pickwell-training-1"


@dataclass(frozen=True, slots=True)
class FinetuneResult:
    """A finished training.

    Attributes:
        folder: The model's folder; ``AutoModelForImageTextToText.from_pretrained`` opens it.
        steps: Optimiser steps.
        losses: Mean loss of each step's response tokens, in nats per token, before the step.
        samples: How many samples were trained on.
        left_out: Id and reason of each sample that was not.
        trained_parameters: How many numbers were trained.
        parameters: How many the model has, adapters not counted.
        seconds: Of the training itself, over all its sessions where it was interrupted.
        feature_seconds: Of computing vision features ahead; 0 without ``cache_features``.
        options: Every option, as used.
        data_hash: SHA-256 of what was trained on: ids, tokens, images.
        versions: Of the packages that the result depends on.
        again: Whether it was there already, and nothing was done.
    """

    folder: Path
    steps: int
    losses: tuple[float, ...]
    samples: int
    left_out: tuple[tuple[str, str], ...]
    trained_parameters: int
    parameters: int
    seconds: float
    feature_seconds: float = 0.0
    options: Mapping[str, Any] = field(default_factory=dict)
    data_hash: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    again: bool = False

    def record(self, **more: Any) -> dict[str, Any]:
        """As JSON values, for ``training.json``."""
        content = asdict(self) | {"left_out": [list(row) for row in self.left_out]}
        del content["folder"], content["again"]
        return {"format": FORMAT, **content, **more}


def open_result(folder: Path) -> tuple[FinetuneResult, dict[str, Any]]:
    """The result in a finished folder, and its whole record.

    Raises:
        BadInputError: ``training.json`` is missing or not one.
    """
    path = folder / RECORD
    try:
        content = json.loads(path.read_text("utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']!r}")
        names = FinetuneResult.__dataclass_fields__.keys() - {"folder", "again"}
        values = {name: content[name] for name in names}
        values["losses"] = tuple(values["losses"])
        values["left_out"] = tuple((row[0], row[1]) for row in values["left_out"])
        return FinetuneResult(folder=folder, again=True, **values), content
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInputError(
            f"{path} is not the record of a training: {error}.", "Name another folder after --out."
        ) from error
