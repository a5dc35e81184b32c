"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

ConfigFile = Annotated[
    Path | None, typer.Option("--config", "-c", help="YAML file with all options.")
]
Strict = Annotated[bool, typer.Option("--strict", help="End with exit code 1 if a row was bad.")]


def number(text: str) -> float:
    """A number as typed; a percentage is told how it is written.

    Raises:
        BadParameter: It is no number.
    """
    try:
        return float(text)
    except ValueError:
        pass
    try:
        hint = f": write {float(text.removesuffix('%')) / 100:g}"
    except ValueError:
        hint = ""
    raise typer.BadParameter(f"{text!r} is not a number{hint}.")


def overrides(**options: Any) -> dict[str, Any]:
    """Only what was typed."""
    return {name: value for name, value in options.items() if value is not None}


def file_or_subset(
    data: str, config: str | None, subset: str | None
) -> tuple[Path | None, str | None]:
    """What ``--config`` means: a YAML file, or with hub data the name of a configuration.

    Args:
        data: The data to be read.
        config: The value of ``--config``.
        subset: The value of ``--subset``.

    Returns:
        The YAML file and the configuration, ``None`` where there is none.

    Raises:
        BadInputError: Two configurations are named.
    """
    from data_cards.errors import BadInputError
    from data_cards.hub import is_hub

    if config is None:
        return None, subset
    names_file = Path(config).is_file() or config.lower().endswith((".yaml", ".yml"))
    if names_file or not is_hub(data):
        return Path(config), subset
    if subset is not None and subset != config:
        raise BadInputError(
            f"--config {config} and --subset {subset} name two configurations.", "Give one of them."
        )
    return None, config


def parse_columns(text: str | None) -> dict[str, str] | None:
    """``image=file,response=caption`` to a mapping.

    Raises:
        BadInputError: If a part is not ``field=column``.
    """
    if text is None:
        return None
    from data_cards.errors import BadInputError
    from pickwell.as_typed import columns_as_typed

    try:
        return columns_as_typed(text)
    except ValueError as error:
        raise BadInputError(
            f"--columns: {error}.", "For example --columns image=file_name,response=caption."
        ) from error
