"""What a path is that is not what was asked for, and what to type instead."""

from __future__ import annotations

import json
import shlex
from itertools import islice
from pathlib import Path
from typing import Literal

from data_cards.errors import BadInputError
from pickwell.pruned_before import is_pruned

Asked = Literal["run", "selection"]
MARKS: dict[Asked, str] = {"run": "run.json", "selection": "selection.parquet"}
"""The file that makes a folder a run or a selection."""


def wrong_input(path: Path, asked: Asked) -> BadInputError | None:
    """Say what ``path`` is, where it is not the folder that was asked for.

    Args:
        path: What was given.
        asked: What it should be.

    Returns:
        The error to raise; ``None`` where nothing more can be said than that it is none.
    """
    if (path / MARKS[asked]).is_file() or not path.exists() or _unfinished(path):
        return None
    for kind, mark in MARKS.items():
        if (path / mark).is_file():
            return _the_other(path, kind)
        if path.is_file() and (path.parent / mark).is_file():
            return BadInputError(
                f"{path} is a file of the {kind} {path.parent}.",
                f"Give the folder: {path.parent}" if kind == asked else f"Name a {asked} folder.",
            )
    inside = sorted(islice((p.parent for p in path.glob(f"*/{MARKS[asked]}")), 100))
    if inside:
        return BadInputError(
            f"{path} is a folder around the {asked} {inside[0]}.", f"Give that: {inside[0]}"
        )
    how = _recognised(path)
    if how is None and path.is_file():
        return BadInputError(f"{path} is a file, not a {asked}.", f"Name a {asked} folder.")
    if how is None:
        return None
    run = _name(path, "run")
    return BadInputError(
        f"{path} is {how}, not a {asked}.",
        f"Score it first: {_typed('score', path)} --out {run}\n"
        f"Then choose: pickwell select {run} --out {_name(path, 'chosen')}",
    )


def _the_other(path: Path, kind: Asked) -> BadInputError:
    if kind == "run":
        return BadInputError(
            f"{path} is a run, not a selection.",
            f"Choose from it first: {_typed('select', path)} --out {_name(path, 'chosen')}",
        )
    if is_pruned(path):
        return BadInputError(
            f"{path} is a corpus of pictures that `pickwell prune` wrote, not a run of pairs.",
            f"Choose another part of its pictures: {_typed('prune', path)} --out NEW --keep 0.5",
        )
    run = _run_of(path)
    return BadInputError(
        f"{path} is a selection, not a run.",
        f"Choose anew from its run: {_typed('select', run)} --out NEW"
        if run
        else "Name the run that it was chosen from.",
    )


def _unfinished(path: Path) -> bool:
    """A run whose last file is missing looks like a folder of Parquet data."""
    return (path / "samples.parquet").exists() and not (path / "run.json").exists()


def _recognised(path: Path) -> str | None:
    """What the readers would take ``path`` for; ``None`` if none of them would take it."""
    from data_cards.readers.base import formats

    for kind in formats().values():
        try:
            reason = kind.recognise(path)
        except (BadInputError, OSError):
            continue
        if reason is not None:
            return f"data ({kind.name}: {reason})"
    return None


def _run_of(selection: Path) -> str | None:
    try:
        return str(json.loads((selection / "manifest.json").read_text("utf-8"))["run"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _typed(verb: str, path: str | Path) -> str:
    return shlex.join(["pickwell", verb, str(path)])


def _name(path: Path, ending: str) -> str:
    """A name for what is made from ``path``, in the folder where the command is typed."""
    stem = path.absolute().name.lstrip(".").split(".")[0] or "data"
    return shlex.quote(f"{stem}-{ending}")
