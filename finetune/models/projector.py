"""The trained projector of the embedded model: written with its hash, read only if that fits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError

if TYPE_CHECKING:
    import torch

FOLDER = Path(__file__).parent / "weights"
WEIGHTS = FOLDER / "projector.safetensors"
FACTS = "metrics.json"
_REMEDY = "Install pickwell again, or train it: see finetune/models/weights/README.md."


def save_projector(state: Mapping[str, torch.Tensor], path: Path, facts: Mapping[str, Any]) -> None:
    """Write the weights in bfloat16, and beside them ``metrics.json`` with their SHA-256.

    Args:
        state: ``linear_1`` and ``linear_2``, weights and biases.
        path: The safetensors file.
        facts: What else ``metrics.json`` says: recipe and figures.
    """
    import torch
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    halves = {
        name: tensor.detach().to("cpu", torch.bfloat16).contiguous()
        for name, tensor in state.items()
    }
    save_file(halves, partial)
    text = json.dumps({"sha256": _sha256(partial), **facts}, indent=1)
    partial.replace(path)
    (path.parent / FACTS).write_text(text + "\n", encoding="utf-8")


def load_projector(path: Path = WEIGHTS) -> dict[str, torch.Tensor]:
    """Read the weights, float32.

    Raises:
        BadInputError: They are missing, or are not those that ``metrics.json`` names.
    """
    from safetensors.torch import load_file

    if projector_hash(path) != _sha256(path):
        raise BadInputError(f"{path} is not the projector that {FACTS} names.", _REMEDY)
    return {name: tensor.float() for name, tensor in load_file(path).items()}


def projector_hash(path: Path = WEIGHTS) -> str:
    """SHA-256 that ``metrics.json`` gives for the weights.

    Raises:
        BadInputError: One of the files is missing or says nothing.
    """
    try:
        if not path.is_file():
            raise FileNotFoundError(path)
        facts = json.loads((path.parent / FACTS).read_text(encoding="utf-8"))
        return str(facts["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInputError(f"The trained projector {path} is missing.", _REMEDY) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
