"""Writing a file so that it is there whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from data_cards.errors import BadInputError


@contextmanager
def replacing(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a temporary file beside ``path`` that takes its name when all is written.

    Args:
        path: The file to make or replace; its folder is made if needed.
        mode: ``"wb"``, or ``"w"`` for UTF-8 text written as given: line breaks are not
            translated, and undecodable bytes read with ``surrogateescape`` come out as they were.

    Yields:
        The open file.

    Raises:
        BadInputError: The folder cannot be written, or the disk is full. Nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    text = {} if "b" in mode else {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open(mode, **text) as file:  # type: ignore[call-overload]
            yield file
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS):
            raise BadInputError(
                f"cannot write {path}: {error.strerror}",
                "Free some space or choose another folder.",
            ) from error
        raise
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def refuse_overwriting(target: Path, inputs: list[Path]) -> None:
    """Refuse to write a selection over the data that it was made from.

    Args:
        target: The file or folder about to be written.
        inputs: The files being read.

    Raises:
        BadInputError: ``target`` is one of ``inputs``, or a folder that holds one.
    """
    resolved = target.resolve()
    for path in inputs:
        source = path.resolve()
        if source == resolved or resolved in source.parents:
            raise BadInputError(
                f"{target} would be written over the input {path}",
                "Choose an output folder outside the input's own.",
            )
