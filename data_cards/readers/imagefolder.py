# ruff: noqa: D102 (the methods of a format are documented once, in base.Format)
"""A folder of images, each with its caption in a ``.txt`` beside it or in one metadata file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data_cards.columns import recognise_columns
from data_cards.errors import BadInputError
from data_cards.readers.base import Wanted, format_named, register_format
from data_cards.readers.image_copies import copy_images_of
from data_cards.records import record_reader
from data_cards.replacing import refuse_overwriting, replacing

if TYPE_CHECKING:
    from data_cards.sample import Sample
    from data_cards.source import Source

IMAGE_SUFFIXES = frozenset(
    f".{ending}"
    for ending in (
        *("jpg", "jpeg", "jfif", "png", "webp", "gif", "bmp"),
        *("tif", "tiff", "ppm", "pgm", "avif", "jp2"),
    )
)
"""File name endings that say "an image" (what it is, its content says)."""

_METADATA = ("metadata.jsonl", "metadata.csv")
_MAX_CAPTION = 1 << 24


def metadata_file(folder: Path) -> Path | None:
    """The metadata file of an image folder, if it has one."""
    return next((folder / name for name in _METADATA if (folder / name).is_file()), None)


def walk_images(folder: Path) -> Iterator[Path]:
    """Images below a folder, sorted by name folder by folder; links to folders not followed."""
    open_folders = [_entries(folder)]
    while open_folders:
        entry = next(open_folders[-1], None)
        if entry is None:
            open_folders.pop()
        elif entry.name.startswith("."):
            continue
        elif entry.is_dir(follow_symlinks=False):
            open_folders.append(_entries(entry.path))
        elif os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES:  # noqa: PTH122
            yield Path(entry.path)


def _entries(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return iter(sorted(entries, key=lambda entry: entry.name))
    except OSError as error:
        raise BadInputError(f"cannot read {folder}: {error.strerror}") from error


@register_format
class ImageFolder:
    """Rows are the lines of the metadata file if there is one, else the images in name order."""

    name = "imagefolder"
    summary = "folder of images with `a.txt` beside `a.jpg`, or metadata.jsonl/.csv with file_name"

    def recognise(self, path: Path) -> str | None:
        if not path.is_dir():
            return None
        metadata = metadata_file(path)
        if metadata is not None:
            return f"a folder with {metadata.name}"
        first = next(walk_images(path), None)
        if first is None:
            return None
        for image, _ in zip(walk_images(path), range(1000), strict=False):
            if image.with_suffix(".txt").is_file():
                return "a folder of images with captions in .txt files"
        return None

    def recognise_pictures(self, path: Path) -> str | None:
        # without a metadata file it is a folder of pictures, captions or not
        return self.recognise(path) if metadata_file(path) is not None else None

    def fields(self, source: Source) -> list[str]:
        metadata = metadata_file(source.file)
        if metadata is None:
            return ["image", "caption"]
        return format_named(_table_format(metadata)).fields(source.at(metadata))

    def columns(self, fields: Sequence[str]) -> dict[str, str]:
        found = recognise_columns(fields)
        if "file_name" in fields:
            found["images"] = "file_name"
        return found

    def read(self, source: Source) -> Iterator[Sample]:
        metadata = metadata_file(source.file)
        if metadata is not None:
            yield from format_named(_table_format(metadata)).read(source.at(metadata))
            return
        columns = {"id": "image", "images": "image", "response": "caption"}
        reader = record_reader(source.with_images(source.file), columns)
        for row, image in enumerate(walk_images(source.file)):
            name = image.relative_to(source.file).as_posix()
            caption, error = _caption(image.with_suffix(".txt"))
            if error is not None:
                yield reader.bad(row, name, error)
            else:
                yield reader.sample({"image": name, "caption": caption}, row, name)

    def copy_rows(
        self, source: Source, rows: Sequence[int], out_dir: Path, copy_images: bool
    ) -> list[Path]:
        target = out_dir / (source.file.resolve().name or "images")
        metadata = metadata_file(source.file)
        if metadata is not None:
            refuse_overwriting(target, [metadata])
            table = format_named(_table_format(metadata))
            table.copy_rows(source.at(metadata), rows, target, copy_images=False)
            copy_images_of(source, rows, target)
            return [target]
        refuse_overwriting(target, [source.file])
        wanted = Wanted(rows, source.path)
        count = 0
        for row, image in enumerate(walk_images(source.file)):
            count = row + 1
            if row in wanted:
                for file in (image, image.with_suffix(".txt")):
                    copy_file(file, target / file.relative_to(source.file))
            if row >= wanted.last:
                break
        wanted.check(count)
        return [target]

    def files(self, source: Source) -> list[Path]:
        metadata = metadata_file(source.file)
        if metadata is not None:
            return [metadata]
        captions = (image.with_suffix(".txt") for image in walk_images(source.file))
        return [path for path in captions if path.is_file()]

    def count_hint(self, source: Source) -> int | None:
        metadata = metadata_file(source.file)
        if metadata is not None:
            return format_named(_table_format(metadata)).count_hint(source.at(metadata))
        return sum(1 for _ in walk_images(source.file))


def _table_format(metadata: Path) -> str:
    return "csv" if metadata.suffix == ".csv" else "json"


def _caption(path: Path) -> tuple[str, str | None]:
    if path.is_symlink():
        return "", f"caption file {path.name} is a symbolic link; not followed"
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_CAPTION)
        return data.decode("utf-8-sig").strip(), None
    except FileNotFoundError:
        return "", f"no caption file {path.name}"
    except UnicodeDecodeError as error:
        return "", f"{path.name} is not valid UTF-8 (at byte {error.start})"
    except OSError as error:
        return "", f"cannot read {path.name}: {error.strerror}"


def copy_file(source: Path, target: Path) -> None:
    """Copy a file, if it is one and no link."""
    if source.is_symlink() or not source.is_file():  # a link may lead out of the folder
        return
    with source.open("rb") as file, replacing(target) as out:
        shutil.copyfileobj(file, out)
