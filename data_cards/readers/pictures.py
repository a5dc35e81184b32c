# ruff: noqa: D102 (the methods of a format are documented once, in base.Format)
"""A folder of pictures and nothing else, flat or nested; the class is the folder, if there are two.

It is met in corpora of pictures only: pairs need words, and a folder with words is an image folder.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data_cards.errors import BadInputError
from data_cards.image_paths import ImageResolver
from data_cards.readers.base import Wanted, register_format
from data_cards.readers.imagefolder import IMAGE_SUFFIXES, copy_file, walk_images
from data_cards.records import record_reader
from data_cards.replacing import refuse_overwriting, replacing

if TYPE_CHECKING:
    from data_cards.sample import ImageRef, Sample
    from data_cards.source import Source

ENDINGS = ", ".join(sorted(IMAGE_SUFFIXES))


def no_pictures(path: object, seen: str = "") -> BadInputError:
    """What is said of a folder that holds none."""
    return BadInputError(
        f"{path} holds no picture" + (f"; seen: {seen}" if seen else ""),
        f"Give a folder below which there are files that end in {ENDINGS}.",
    )


@register_format
class Pictures:
    """Rows are the pictures in name order, folder by folder; ids are their relative names."""

    name = "pictures"
    summary = "folder of pictures without words, class = folder (corpora of pictures only)"

    def recognise(self, path: Path) -> str | None:
        return None

    def recognise_pictures(self, path: Path) -> str | None:
        first = next(_named(path), None) if path.is_dir() else None
        if first is None:
            return None
        only = _folder(first[0])
        if only and all(_folder(name) == only for name, _ in _named(path)):
            return f"a folder of pictures, all of them in {only}: one class alone is none"
        return "a folder of pictures"

    def fields(self, source: Source) -> list[str]:
        folders: set[str] = set()
        image = ""
        for image, _ in _named(source.file):
            folders.add(_folder(image))
            if len(folders - {""}) > 1:
                return ["image", "folder"]
        if not image:
            raise no_pictures(source.file)
        return ["image"]

    def columns(self, fields: Sequence[str]) -> dict[str, str]:
        label = {"label": "folder"} if "folder" in fields else {}
        return {"id": "image", "images": "image", **label}

    def read(self, source: Source) -> Iterator[Sample]:
        reader = record_reader(source)
        resolver = ImageResolver(source.file)
        for row, (name, _) in enumerate(_named(source.file)):
            record = {"image": name, "folder": _folder(name)}
            yield reader.sample(record, row, name, (resolver.file(name),))

    def copy_rows(
        self, source: Source, rows: Sequence[int], out_dir: Path, copy_images: bool
    ) -> list[Path]:
        target = out_dir / (source.file.resolve().name or "images")
        refuse_overwriting(target, [source.file])
        if source.file.resolve() in target.resolve().parents:  # it would be read as well
            raise BadInputError(
                f"{target} lies inside the input {source.file}",
                "Choose an output folder outside the input's own.",
            )
        wanted = Wanted(rows, source.path)
        resolver = ImageResolver(source.file)
        count = 0
        for row, (name, image) in enumerate(_named(source.file)):
            count = row + 1
            if row in wanted:
                _copy(resolver.file(name), target / name)
                caption = image.with_suffix(".txt")
                copy_file(caption, (target / name).with_suffix(".txt"))
            if row >= wanted.last:
                break
        wanted.check(count)
        return [target]

    def files(self, source: Source) -> list[Path]:
        # each picture is its own record; a link's target may lie anywhere
        found = (image for _, image in _named(source.file))
        return [image for image in found if image.is_file() and not image.is_symlink()]

    def count_hint(self, source: Source) -> int | None:
        return sum(1 for _ in walk_images(source.file))


def _named(folder: Path) -> Iterator[tuple[str, Path]]:
    """Pictures by their names below the folder, and where they are."""
    for image in walk_images(folder):
        yield image.relative_to(folder).as_posix(), image


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _copy(ref: ImageRef, target: Path) -> None:
    """Copy a picture; a link becomes the file that it names."""
    said = ref.error
    if ref.path is not None:
        try:
            if not ref.path.is_file():  # a pipe would never end
                raise FileNotFoundError(2, "no such file")
            with ref.path.open("rb") as image, replacing(target) as out:
                shutil.copyfileobj(image, out)
            return
        except OSError as error:
            said = error.strerror
    raise BadInputError(f"cannot copy the picture {ref.name!a}: {said}", "Leave it out.")
