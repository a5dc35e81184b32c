"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="YAML file with all options.")
]
Strict = Annotated[bool, typer.Option("--strict", help="End with exit code 1 if a row was bad.")]


def overrides(**options: Any) -> dict[str, Any]:
    """Only what was typed."""
    return {name: value for name, value in options.items() if value is not None}


def parse_columns(text: str | None) -> dict[str, str] | None:
    """``image=file,response=caption`` to a mapping.

    Raises:
        BadInputError: If a part is not ``field=column``.
    """
    if text is None:
        return None
    from data_cards.errors import BadInputError
    from pickwell.config import columns_as_typed

    try:
        return columns_as_typed(text)
    except ValueError as error:
        raise BadInputError(
            f"--columns: {error}.", "For example --columns image=file_name,response=caption."
        ) from error
