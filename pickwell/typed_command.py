"""The command line that does the same again."""

from __future__ import annotations

import json
import shlex
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

from pydantic import BaseModel


def typed_command(verb: str, source: str, out: Path, settings: BaseModel, **changed: Any) -> str:
    """``pickwell prune photos --out pruned --keep 0.3``, with all that is not the default.

    What can be said in a file or in Python alone follows as a remark.

    Args:
        verb: Of the command.
        source: Its argument.
        out: Where the result lies.
        settings: The options of the command.
        **changed: Options that are told otherwise than they were given.
    """
    typed = signature(getattr(import_module(f"pickwell.commands.{verb}"), verb)).parameters
    in_a_file: dict[str, object] = {}
    words = ["pickwell", verb, source, "--out", str(out)]
    default = type(settings)().model_dump(mode="json")
    for name, value in (settings.model_dump(mode="json") | changed).items():
        if value == default[name] or value is None:
            continue
        if name not in typed:
            in_a_file[name] = value
            continue
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        elif isinstance(value, list) and str(typed[name].annotation).startswith("list"):
            words += [word for one in value for word in (flag, str(one))]
        elif isinstance(value, list):
            words += [flag, ",".join(map(_text, value))]
        elif isinstance(value, dict):
            words += [flag, ",".join(f"{key}={column}" for key, column in value.items())]
        else:
            words += [flag, _text(value)]
    if in_a_file:
        return f"{shlex.join(words)}  # --config FILE with {verb}: {json.dumps(in_a_file)}"
    return shlex.join(words)


def _text(value: object) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)
