"""Options of a method: what each means, and what it may be, stands once: in the signature.

``strata: Annotated[int, Field(ge=1, description="how many strata")] = 10`` is what is checked, what
``pickwell methods NAME`` tells, and what the method's docstring ends with.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from data_cards.errors import BadInputError
from data_cards.meant import meant
from data_cards.ranges import range_words
from selector.coreset.typed import as_typed

ONLY_PYTHON = object()
"""Marks, inside ``Annotated``, an option that cannot be typed; its method checks it itself."""
_STRICT = ConfigDict(strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        name: As it is given.
        declared: Its annotation.
        default: What it is where it is not given.
    """

    name: str
    declared: Any
    default: Any

    @cached_property
    def _facts(self) -> FieldInfo:
        return FieldInfo.from_annotation(self.declared)

    @cached_property
    def _check(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.declared, config=_STRICT)

    @property
    def meaning(self) -> str:
        """What it does, in words that follow a colon."""
        return self._facts.description or ""

    @property
    def typed(self) -> bool:
        """Whether it can be typed as ``OPTION=VALUE``; else it is had in Python alone."""
        return ONLY_PYTHON not in self._facts.metadata

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that it may be; empty: it is none of several words."""
        kind = self._facts.annotation
        return get_args(kind) if get_origin(kind) is Literal else ()

    @property
    def allowed(self) -> str:
        """What it may be, in words."""
        if self.choices:
            return f"{', '.join(self.choices[:-1])} or {self.choices[-1]}"
        kinds = get_args(self._facts.annotation) or (self._facts.annotation,)
        if bool in kinds:
            return "true or false"
        noun = "a whole number" if int in kinds else "a number"
        or_null = ", or null" if NoneType in kinds else ""
        return f"{noun}{range_words(self._facts.metadata)}{or_null}"

    def checked(self, method: str, value: Any) -> Any:
        """The value, a NumPy number as one of Python.

        Raises:
            BadInputError: It is not allowed; names method, option, value and what is allowed.
        """
        if not self.typed:
            return value
        try:
            return self._check.validate_python(
                value.item() if isinstance(value, np.generic) else value
            )
        except ValidationError:
            given = repr(value) if isinstance(value, (str, float)) else as_typed(value)
            hint = meant(value, self.choices) if isinstance(value, str) else ""
            raise BadInputError(
                f"method {method!r}: {self.name} is {_short(given)}",
                f"{hint} Give {self.allowed}: {self.meaning}.".strip(),
            ) from None


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}..."


def declared_options(pick: Callable[..., Any]) -> dict[str, Option]:
    """The options of a method by name: what follows pool, count and generator.

    Raises:
        ValueError: One has no meaning: it is not declared as this module says.
    """
    kinds = get_type_hints(pick, include_extras=True)
    made = {
        one.name: Option(one.name, kinds[one.name], one.default)
        for one in list(inspect.signature(pick).parameters.values())[3:]
    }
    dumb = next((one.name for one in made.values() if not one.meaning), None)
    if dumb is not None:
        raise ValueError(f"{pick.__name__}: the option {dumb} does not say what it means")
    return made


def told(options: dict[str, Option]) -> str:
    """The options as the last part of a docstring; empty: there are none."""
    lines = [
        f"    {one.name}: {one.meaning[0].upper()}{one.meaning[1:]}"
        + (f"; {one.allowed}." if one.typed else ".")
        for one in options.values()
    ]
    return "\n".join(["\n\nOptions:", *lines]) if lines else ""
