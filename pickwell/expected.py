"""What an option takes, in words: out of the type and the range that its field declares."""

from __future__ import annotations

import types
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

NOUNS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    Path: "a path",
    list: "a list",
    dict: "names with values",
}


def expected(model: type[BaseModel], location: Sequence[int | str]) -> str | None:
    """``a whole number, 1 or more``.

    Args:
        model: Where the option is declared.
        location: Of what is wrong, as pydantic tells it.

    Returns:
        What is expected there; ``None``: it cannot be said in a few words.
    """
    annotation, limits = _bare(model, [])
    for part in location:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = annotation.model_fields.get(str(part))
            if field is None:
                return None
            annotation, limits = _bare(field.annotation, list(field.metadata))
        elif get_origin(annotation) in (list, dict):
            annotation, limits = _bare(get_args(annotation)[-1], [])
        else:
            return None
    return expected_of(annotation, limits)


def expected_of(annotation: Any, limits: Sequence[Any]) -> str | None:
    """The same of a type, and of limits as ``annotated_types`` has them."""
    annotation, limits = _bare(annotation, list(limits))
    if get_origin(annotation) is Literal:
        return f"one of {', '.join(map(repr, get_args(annotation)))}"
    noun = NOUNS.get(get_origin(annotation) or annotation)
    return None if noun is None else noun + _range(limits)


def choices(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """What may be chosen there, where it is one of a few words."""
    said = expected(model, location) or ""
    words = said.removeprefix("one of ").split(", ") if said.startswith("one of ") else []
    return [word.strip("'") for word in words]


def _bare(annotation: Any, limits: list[Any]) -> tuple[Any, list[Any]]:
    """The type itself, without ``None``, and the limits that stand beside it."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation, *more = get_args(annotation)
            for one in more:
                limits = limits + (list(one.metadata) if isinstance(one, FieldInfo) else [one])
        elif origin in (Union, types.UnionType):
            others = [one for one in get_args(annotation) if one is not type(None)]
            if len(others) != 1:
                return None, []
            annotation = others[0]
        else:
            return annotation, limits


def _range(limits: list[Any]) -> str:
    """`` above 0 and at most 1``; empty: any."""
    found = {
        name: getattr(limit, name)
        for limit in limits
        for name in ("ge", "gt", "le", "lt")
        if getattr(limit, name, None) is not None
    }
    least, most = "", ""
    if "ge" in found:
        if "le" in found:
            return f" from {_number(found['ge'])} to {_number(found['le'])}"
        if "lt" not in found:
            return f", {_number(found['ge'])} or more,"
        least = f"{_number(found['ge'])} or more"
    if "gt" in found:
        least = f"above {_number(found['gt'])}"
    if "le" in found:
        most = f"at most {_number(found['le'])}"
    if "lt" in found:
        most = f"below {_number(found['lt'])}"
    words = " and ".join(part for part in (least, most) if part)
    return f" {words}" if words else ""


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"
