"""Methods as they are typed: ``NAME``, ``NAME:WORD``, ``NAME:OPTION=VALUE,OPTION=VALUE``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from data_cards.errors import BadInputError

SYNTAX = "Write METHOD[:OPTION=VALUE,OPTION=VALUE]."


@dataclass(frozen=True)
class Typed:
    """What was typed, not yet looked up.

    Attributes:
        name: Of the method.
        words: What stands between colons and is no option, such as a score.
        options: By name; numbers, true, false and null as such, all else as text.
    """

    name: str
    words: tuple[str, ...]
    options: Mapping[str, Any]


def read_typed(text: str, syntax: str = SYNTAX) -> Typed:
    """Take apart what was typed.

    Args:
        text: As typed.
        syntax: How it is to be written, for messages.

    Raises:
        BadInputError: A part is empty, an option has no value, or one stands there twice.
    """
    name, *rest = (part.strip() for part in text.split(":"))
    if not name:
        raise BadInputError(f"{text!r} names no method", syntax)
    words: list[str] = []
    options: dict[str, Any] = {}
    for part in rest:
        if not part:
            raise BadInputError(f"{text!r}: nothing stands behind a colon", syntax)
        if "=" not in part and "," not in part:
            words.append(part)
            continue
        for pair in part.split(","):
            key, _, value = (word.strip() for word in pair.partition("="))
            if not key or not value:
                raise BadInputError(f"{text!r}: {pair.strip()!r} is not OPTION=VALUE", syntax)
            if key in options:
                raise BadInputError(f"{text!r} says {key} twice", "Say it once.")
            options[key] = _value(value)
    return Typed(name, tuple(words), options)


def as_typed(value: Any) -> str:
    """A value as one would type it; a whole number of either kind looks the same."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return json.dumps(value, default=repr)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
