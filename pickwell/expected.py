"""What an option takes, in words: out of the type and the range that its field declares."""

from __future__ import annotations

import types
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from data_cards.ranges import range_words

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
    """``a whole number from 1 up``.

    Args:
        model: Where the option is declared.
        location: Of what is wrong, as pydantic tells it.

    Returns:
        What is expected there; ``None``: it cannot be said in a few words.
    """
    return expected_of(*_declared(model, location))


def choices(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """What may be chosen there, where it is one of a few words."""
    annotation, _ = _declared(model, location)
    return list(map(str, get_args(annotation))) if get_origin(annotation) is Literal else []


def _declared(model: type[BaseModel], location: Sequence[int | str]) -> tuple[Any, list[Any]]:
    """The type and the limits of what stands there; no type: nothing is declared there."""
    annotation, limits = _bare(model, [])
    for part in location:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = annotation.model_fields.get(str(part))
            if field is None:
                return None, []
            annotation, limits = _bare(field.annotation, list(field.metadata))
        elif get_origin(annotation) in (list, dict):
            annotation, limits = _bare(get_args(annotation)[-1], [])
        else:
            return None, []
    return annotation, limits


def expected_of(annotation: Any, limits: Sequence[Any]) -> str | None:
    """The same of a type, and of limits as ``annotated_types`` has them."""
    annotation, limits = _bare(annotation, list(limits))
    if get_origin(annotation) is Literal:
        return f"one of {', '.join(map(repr, get_args(annotation)))}"
    noun = NOUNS.get(get_origin(annotation) or annotation)
    return None if noun is None else noun + range_words(limits)


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
