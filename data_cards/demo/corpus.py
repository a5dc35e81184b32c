"""A corpus of pictures without words: Open Clip Art, and Wesnoth's units and terrain.

Class = folder. 1,221 of the clip arts are links to a picture in another place, most of them in
another class: duplicates and label noise whose truth is known. Wesnoth's frames are animations:
neighbours differ by a few pixels, so that a split of single pictures would leak.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from data_cards.demo import openclipart, wesnoth
from data_cards.errors import BadInputError
from data_cards.replacing import replacing

PACKAGES = ("openclipart-png", "wesnoth-1.16-data")
FILE = "pictures.jsonl"
TRUTH = "pictures_truth.csv"
GROUP = r"^(.*/[^/\-+0-9]*)"
"""Finds in an id what belongs together: the frames of one unit, the variants of one tile."""
PARTS = ("clipart", "units", "terrain")


@dataclass(frozen=True, slots=True)
class CorpusPicture:
    """One picture of the corpus.

    Attributes:
        id: ``part/folders/stem``.
        image: Path below the root of the packages.
        label: The class: part and folder.
        link: ``id`` of the picture that this one is a link to; empty for a picture of its own.
    """

    id: str
    image: str
    label: str
    link: str


def iter_pictures(root: Path, parts: tuple[str, ...] = PARTS) -> Iterator[CorpusPicture]:
    """Every picture of the unpacked packages, sorted by part and path; links too."""
    for part in parts:
        for folder in _folders(root, part):
            for png in sorted(folder.rglob("*.png")):
                relative = png.relative_to(folder)
                if len(relative.parts) < 2 or not png.is_file():
                    continue  # a tool's own mark beside the classes, or a link to nowhere
                link = ""
                if png.is_symlink():
                    goal = Path(os.path.realpath(png))
                    real = Path(os.path.realpath(folder))
                    if not goal.is_relative_to(real):
                        continue
                    link = _name(part, goal.relative_to(real))
                kind = relative.parent.as_posix() if part == "clipart" else relative.parts[0]
                image = png.relative_to(root).as_posix()
                yield CorpusPicture(_name(part, relative), image, f"{part}/{kind}", link)


def write_corpus(root: Path, parts: tuple[str, ...] = PARTS) -> tuple[Path, int, int]:
    """Write ``pictures.jsonl`` beside the packages' files, and the truth about links.

    Args:
        root: Folder that the packages were unpacked into.
        parts: Of :data:`PARTS`.

    Returns:
        The file, pictures in it, and how many of them are links.

    Raises:
        BadInputError: None of the packages is there.
    """
    count = links = 0
    path = root / FILE
    with (
        replacing(path, "w") as file,
        replacing(root / TRUTH, "w") as told,
    ):
        truth = csv.writer(told, lineterminator="\n")
        truth.writerow(["id", "link"])
        for picture in iter_pictures(root, parts):
            record = {"id": picture.id, "image": picture.image, "label": picture.label}
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
            truth.writerow([picture.id, picture.link])
            count += 1
            links += bool(picture.link)
        if not count:
            raise BadInputError(
                f"{root} holds no picture of {' or '.join(PACKAGES)}",
                "Fetch them with `pickwell demo --pictures`.",
            )
    return path, count, links


def read_links(root: Path) -> dict[str, str]:
    """``id`` to the ``id`` of the picture that it is a link to, for links alone."""
    with (root / TRUTH).open(newline="", encoding="utf-8") as file:
        return {row["id"]: row["link"] for row in csv.DictReader(file) if row["link"]}


def _folders(root: Path, part: str) -> list[Path]:
    if part == "clipart":
        return [root / openclipart.FOLDER / "png"]
    return sorted((root / wesnoth.FOLDER).glob(f"*/data/core/images/{part}"))


def _name(part: str, relative: Path) -> str:
    return f"{part}/{relative.with_suffix('').as_posix()}"
