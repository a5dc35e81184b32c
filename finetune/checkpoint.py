"""Checkpoints: only the trained weights, and only whole ones are ever gone on from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_cards.errors import BadInputError
from scoring.store import atomic_path

WORK = ".training"
"""Folder inside the output folder, gone when the training is finished."""

WEIGHTS = "trained.safetensors"
COMPLETE = "complete.json"
_PLAN = "plan.json"


def save_trained(state: Mapping[str, Any], folder: Path) -> None:
    """Write trained weights, in their own precision."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: value.cpu().contiguous() for name, value in state.items()}, folder / WEIGHTS)


def load_trained(model: Any, folder: Path) -> None:
    """Copy trained weights back into a model.

    Raises:
        BadInputError: They are those of another model.
    """
    import torch
    from safetensors.torch import load_file

    stored = load_file(folder / WEIGHTS)
    wanted = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if stored.keys() != wanted.keys():
        raise BadInputError(f"{folder} is of another model.", "Begin anew with --no-resume.")
    with torch.no_grad():
        for name, parameter in wanted.items():
            parameter.copy_(stored[name])


def mark_complete(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write the file without which a checkpoint does not count; last, and at once."""
    with atomic_path(folder / COMPLETE) as temporary:
        temporary.write_text(json.dumps(facts), "utf-8")


def last_complete(work: Path) -> tuple[Path, dict[str, Any]] | None:
    """The latest whole checkpoint with its facts; what a kill left half-written is removed."""
    found = []
    for folder in work.glob("checkpoint-*"):
        if (folder / COMPLETE).is_file():
            found.append((int(folder.name.rpartition("-")[2]), folder))
        else:
            shutil.rmtree(folder)
    if not found:
        return None
    folder = max(found)[1]
    return folder, json.loads((folder / COMPLETE).read_text("utf-8"))


def begin(work: Path, plan: Mapping[str, Any], *, resume: bool) -> bool:
    """Make the working folder for a plan, or find that it is there already.

    Args:
        work: The working folder.
        plan: Everything on which the trained weights depend.
        resume: Whether what is there may be gone on with.

    Returns:
        Whether there is something of the same plan to go on with.

    Raises:
        BadInputError: Steps were trained already, by another plan.
    """
    path = work / _PLAN
    text = json.dumps(plan, indent=2, sort_keys=True)
    if path.is_file() and resume and last_complete(work) is not None:
        if path.read_text("utf-8") == text:
            return True
        changed = _differences(json.loads(path.read_text("utf-8")), plan)
        raise BadInputError(
            f"{work.parent} holds an interrupted training with other options or data ({changed}).",
            "Type its own command again, name another folder, or begin anew with --no-resume.",
        )
    shutil.rmtree(work, ignore_errors=True)
    with atomic_path(path) as temporary:
        temporary.write_text(text, "utf-8")
    return False


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    old, new = (
        {**plan.get("options", {}), **{k: v for k, v in plan.items() if k != "options"}}
        for plan in (old, new)
    )
    names = [name for name in new if old.get(name) != new[name]]
    return ", ".join(f"{name}: {old.get(name)} before, {new[name]} now" for name in names[:4])
