"""Copying the images of chosen rows beside the chosen records."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data_cards.errors import BadInputError
from data_cards.readers.base import Wanted, format_named
from data_cards.replacing import replacing

if TYPE_CHECKING:
    from data_cards.source import Source


def copy_images_of(source: Source, rows: Sequence[int], folder: Path) -> list[Path]:
    """Copy the image files of some rows to ``folder``, under the names that the records write.

    Images that records hold themselves (bytes), and absolute paths, need no copy and get none.

    Args:
        source: Where the rows are.
        rows: Row numbers.
        folder: Where the names are looked up afterwards (``images=`` of the copy).

    Returns:
        The folder, if anything was copied.

    Raises:
        BadInputError: An image of a chosen row is missing or cannot be read.
    """
    wanted = Wanted(rows, source.path)
    done = set()
    for sample in format_named(source.format).read(source):
        if sample.row > wanted.last:
            break
        if sample.row not in wanted:
            continue
        for ref in sample.images:
            if ref.path is None or os.path.isabs(ref.name) or ref.name in done:  # noqa: PTH117
                continue
            done.add(ref.name)
            target = folder / os.path.normpath(ref.name)
            try:
                with ref.path.open("rb") as image, replacing(target) as file:
                    shutil.copyfileobj(image, file)
            except OSError as error:
                raise BadInputError(
                    f"{sample.where}: cannot copy image {ref.name}: {error.strerror}",
                    "Restore the image, or copy the records without images.",
                ) from error
    return [folder] if done else []
