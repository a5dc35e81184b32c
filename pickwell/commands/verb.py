"""A command whose options are refused in the words of ``config_file``, not in a library's."""

from __future__ import annotations

import inspect
from typing import Any, get_type_hints

import typer
from typer.core import TyperCommand


class Verb(TyperCommand):
    """One verb of ``pickwell``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read what was typed.

        Raises:
            BadInputError: A value is of another kind, or outside its range.
        """
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            from pydantic import ValidationError

            from data_cards.errors import BadInputError

            if not isinstance(error.__cause__, ValidationError) or error.param is None:
                raise
            problem = error.__cause__.errors()[0]
            said = _said(self.callback, str(error.param.name), problem)
            name = max(error.param.opts, key=len)
            raise BadInputError(f"{name}: {said}", f"See `pickwell {self.name} --help`.") from error


def _said(command: Any, name: str, problem: Any) -> str:
    """What is expected of an option, and what was typed."""
    from annotated_types import Ge, Le

    from pickwell.config_file import as_share, given_words
    from pickwell.expected import expected_of

    option = inspect.signature(command).parameters[name].default
    limits = [
        kind(limit)
        for kind, limit in (
            (Ge, getattr(option, "min", None)),
            (Le, getattr(option, "max", None)),
        )
        if limit is not None
    ]
    words = expected_of(get_type_hints(command, include_extras=True)[name], limits)
    said = problem["msg"] if words is None else f"{words} is expected"
    return f"{said} (given: {given_words(problem['input'])}){as_share(problem)}"
