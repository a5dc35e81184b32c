"""Reading options: a YAML file or what was typed, checked before anything runs.

A key that does not exist is an error that names the nearest one that does.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from data_cards.errors import BadInputError
from pickwell.config import Config
from pickwell.expected import choices, expected

TYPED = ("run", "target", "data", "labels", "out")
"""What a command is about and where it writes: always typed."""

OPTIONS = "options of "
"""What begins the place of options that were typed, or given in Python."""


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

    Args:
        model: Of the options.
        values: By name.
        where: They stand: a file, or ``options of VERB``, which are then named as they are typed.

    Raises:
        BadInputError: See :func:`load_config`.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        command = _command_of(model, error.errors()[0]["loc"])
        verb = command.strip() if where.startswith(OPTIONS) else ""
        depth = 2 if model is Config else 1  # of a file the first name is that of a section
        first = {problem["loc"][:depth]: problem for problem in reversed(error.errors())}
        lines = [_explain(model, problem, verb) for problem in reversed(first.values())]
        typed = all(line.startswith("--") for line in lines)
        raise BadInputError(
            ("" if typed else f"{where}: ") + "; ".join(lines), f"See `pickwell {command}--help`."
        ) from error


def _command_of(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """The command whose options a problem is about, with a space behind it; empty: none."""
    if model is Config:
        return f"{location[0]} " if location and location[0] in Config.model_fields else ""
    sections = {field.annotation: name for name, field in Config.model_fields.items()}
    return f"{sections[model]} " if model in sections else ""


def as_typed(verb: str, name: str) -> str:
    """``--per-class`` for ``per_class``, where the command has such an option."""
    command = getattr(import_module(f"pickwell.commands.{verb}"), verb)
    known = name in inspect.signature(command).parameters
    return f"--{name.replace('_', '-')}" if known else name


def given_words(value: Any) -> str:
    """What stands in the file, short."""
    if isinstance(value, Mapping):
        return "options with values of their own"
    if value is None or value == []:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def as_share(problem: Any) -> str:
    """What to write for a percentage where a share is expected; empty: it is none."""
    limits, given = problem.get("ctx", {}), problem.get("input")
    percent = isinstance(given, str) and given.endswith("%")
    share = limits.get("le") == 1 or limits.get("lt") == 1
    try:
        value = float(str(given).removesuffix("%"))
    except ValueError:
        return ""
    if isinstance(given, bool) or not (percent or (share and 2 <= value <= 100)):
        return ""
    return f"; for {value:g} % write {value / 100:g}"


def _explain(model: type[BaseModel], problem: Any, verb: str = "") -> str:
    """One problem in words.

    Args:
        model: Of the options.
        problem: As pydantic tells it.
        verb: Whose options were typed; empty: they stand in a file.
    """
    location = [str(part) for part in problem["loc"] if isinstance(part, str)]
    name = ".".join(location)
    if problem["type"] == "model_type":
        given = given_words(problem["input"])
        return f"{name or 'the file'}: options and their values are expected here (given: {given})"
    if problem["type"] != "extra_forbidden":
        shown = as_typed(verb, location[0]) if verb and len(location) == 1 else name
        return f"{shown or 'the file'}: {_wrong(model, problem)}"
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


def _wrong(model: type[BaseModel], problem: Any) -> str:
    """What is wrong with a value: what is expected, what was given, what may have been meant."""
    given = f" (given: {given_words(problem['input'])})" if "input" in problem else ""
    wanted = expected(model, problem["loc"])
    if problem["type"] == "too_short":
        return f"name one or more{given}"
    if wanted is None or problem["type"] in ("value_error", "assertion_error"):
        return problem["msg"].removeprefix("Value error, ") + given + as_share(problem)
    near = difflib.get_close_matches(str(problem.get("input")), choices(model, problem["loc"]), 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{wanted} is expected{given}{as_share(problem)}{hint}"
