"""Copying the images of chosen rows beside the chosen records."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data_cards.errors import BadInputError, BadRowError
from data_cards.images import read_bytes
from data_cards.readers.base import Wanted, format_named
from data_cards.replacing import replacing

if TYPE_CHECKING:
    from data_cards.sample import ImageRef
    from data_cards.source import Source


def copy_images_of(
    source: Source, rows: Sequence[int], folder: Path, *, bare: str = ""
) -> list[Path]:
    """Copy the image files of some rows, under the names that the records write.

    A record that says ``images/x.png`` finds its image at ``folder/images/x.png``. Records that
    name files without a folder find them all in ``folder/bare``: both are places where
    :func:`data_cards.source.open_source` looks by itself. Images that records hold themselves
    (bytes), absolute paths and addresses need no copy and get none.

    Args:
        source: Where the rows are.
        rows: Row numbers.
        folder: The folder of the copied records.
        bare: Folder within, for all images, if one of them is named without a folder.

    Returns:
        The folders written to.

    Raises:
        BadInputError: An image of a chosen row is missing or cannot be read, or its name climbs
            out of the folder.
    """
    images = _images_of(source, rows)
    if bare and any(name.parent == Path() for name in images):
        folder = folder / bare
    for name, (ref, where) in images.items():
        if ".." in name.parts:
            raise BadInputError(
                f"{where}: cannot copy image {name}: the name climbs out of the folder",
                "Copy the records without images.",
            )
        try:
            with replacing(folder / name) as file:
                if ref.path is None:
                    file.write(read_bytes(ref))
                else:
                    with ref.path.open("rb") as image:
                        shutil.copyfileobj(image, file)
        except (OSError, BadRowError) as error:
            said = error.reason if isinstance(error, BadRowError) else error.strerror
            raise BadInputError(
                f"{where}: cannot copy image {name}: {said}",
                "Restore the image, or copy the records without images.",
            ) from error
    return sorted({folder / name.parts[0] if len(name.parts) > 1 else folder for name in images})


def _images_of(source: Source, rows: Sequence[int]) -> dict[Path, tuple[ImageRef, str]]:
    """Name (normalised, relative) to reference and place in the input, of the rows' image files."""
    wanted = Wanted(rows, source.path)
    images: dict[Path, tuple[ImageRef, str]] = {}
    for sample in format_named(source.format).read(source):
        if sample.row > wanted.last:
            break
        if sample.row not in wanted:
            continue
        for ref in sample.images:
            elsewhere = os.path.isabs(ref.name) or "://" in ref.name  # noqa: PTH117
            if (ref.path is not None or ref.url is not None) and not elsewhere:
                images.setdefault(Path(os.path.normpath(ref.name)), (ref, sample.where))
    return images
