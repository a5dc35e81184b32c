"""Reading options: a YAML file or what was typed, checked before anything runs.

A key that does not exist is an error that names the nearest one that does.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from data_cards.errors import BadInputError
from pickwell.config import Config

TYPED = ("run", "target", "data", "labels", "out")
"""What a command is about and where it writes: always typed."""


def load_config(path: Path | None) -> Config:
    """Read a YAML file; ``None`` gives the defaults.

    Raises:
        BadInputError: Naming file, key, what is wrong and the nearest key that exists.
    """
    if path is None:
        return Config()
    try:
        text = path.read_bytes().decode("utf-8-sig")
        content = yaml.safe_load(text) or {}
    except OSError as error:
        raise BadInputError(
            f"{path} cannot be read: {error.strerror}.", "Check --config."
        ) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise BadInputError(
            f"{path}, line {line}: not valid YAML: the file is not UTF-8.", "Mend the file."
        ) from error
    except yaml.YAMLError as error:
        line, what = _yaml_problem(error, text)
        raise BadInputError(
            f"{path}, line {line}: not valid YAML: {what}.", "Mend the file."
        ) from error
    return checked(Config, content, str(path))


def _yaml_problem(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    """Line (from 1) and what is wrong there; the library speaks of a ``<unicode string>``."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        words = ", ".join(part for part in (error.context, error.problem) if part)
        return mark.line + 1 if mark else 1, words
    if isinstance(error, yaml.reader.ReaderError):
        character = error.character if isinstance(error.character, str) else chr(error.character)
        line = text.count("\n", 0, error.position) + 1
        return line, f"the character {character!r} is not allowed"
    return 1, str(error)


def checked(model: type[Any], values: Any, where: str) -> Any:
    """Validate ``values`` against a model, with messages for people.

    Raises:
        BadInputError: See :func:`load_config`.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        lines = [_explain(model, problem) for problem in error.errors()]
        command = _command_of(model, error.errors()[0]["loc"])
        raise BadInputError(
            f"{where}: " + "; ".join(lines), f"See `pickwell {command}--help`."
        ) from error


def _command_of(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """The command whose options a problem is about, with a space behind it; empty: none."""
    if model is Config:
        return f"{location[0]} " if location and location[0] in Config.model_fields else ""
    sections = {field.annotation: name for name, field in Config.model_fields.items()}
    return f"{sections[model]} " if model in sections else ""


def _given(value: Any) -> str:
    """What stands in the file, short."""
    if isinstance(value, Mapping):
        return "options with values of their own"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _as_share(problem: Any) -> str:
    """What to write for a percentage where a share is expected; empty: it is none."""
    limits, value = problem.get("ctx", {}), problem.get("input")
    share = limits.get("le") == 1 or limits.get("lt") == 1
    if not share or type(value) not in (int, float) or not 1 < value <= 100:
        return ""
    return f"; for {value:g} % write {value / 100:g}"


def _explain(model: type[BaseModel], problem: Any) -> str:
    location = [str(part) for part in problem["loc"]]
    name = ".".join(location)
    if problem["type"] == "model_type":
        given = "nothing" if problem["input"] is None else _given(problem["input"])
        return f"{name or 'the file'}: options and their values are expected here (given: {given})"
    if problem["type"] != "extra_forbidden":
        given = f" (given: {_given(problem['input'])})" if "input" in problem else ""
        said = problem["msg"].removeprefix("Value error, ")
        return f"{name or 'the file'}: {said}{given}{_as_share(problem)}"
    owner: type[BaseModel] = model
    for part in location[:-1]:
        annotation = owner.model_fields[part].annotation
        assert isinstance(annotation, type)
        owner = annotation
    if len(location) > 1 and location[-1] in TYPED:
        return f"{name!r} is no key: it is typed with the command, not kept in a file"
    near = difflib.get_close_matches(location[-1], owner.model_fields, 1, 0.5)
    known = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(owner.model_fields)}"
    return f"there is no key {name!r}; {known}"
