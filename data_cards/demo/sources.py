"""All packaged sources, one behind the other; a missing one yields nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from data_cards.demo import (
    emoji,
    gcompris,
    gimp,
    kgeography,
    openclipart,
    tuxpaint,
    wesnoth,
    wordcards,
    wordnet,
)
from data_cards.demo.captioned import CaptionedImage


@dataclass(frozen=True, slots=True)
class Source:
    """A source of captioned images (or, without ``items``, of definitions).

    Attributes:
        packages: The Debian packages that hold it.
        folders: Paths below the root that all exist when the source can be read.
        items: Reads it; ``None`` for text sources.
        licence: Its licence.
    """

    packages: tuple[str, ...]
    folders: tuple[Path, ...]
    items: Callable[[Path], Iterator[CaptionedImage]] | None
    licence: str


SOURCES: Mapping[str, Source] = {
    "openclipart": Source(
        ("openclipart-png", "openclipart-svg"),
        (openclipart.FOLDER / "png", openclipart.FOLDER / "svg"),
        openclipart.iter_openclipart,
        openclipart.LICENCE,
    ),
    "emoji": Source(
        ("fonts-noto-color-emoji", "unicode-cldr-core"),
        (emoji.FONT, emoji.CLDR),
        emoji.iter_emoji,
        emoji.LICENCE,
    ),
    "gimp": Source(("gimp-help-en",), (gimp.FOLDER,), gimp.iter_gimp, gimp.LICENCE),
    "tuxpaint": Source(
        ("tuxpaint-stamps-default",), (tuxpaint.FOLDER,), tuxpaint.iter_tuxpaint, tuxpaint.LICENCE
    ),
    "kgeography": Source(
        ("kgeography-data",), (kgeography.FOLDER,), kgeography.iter_kgeography, kgeography.LICENCE
    ),
    "wordcards": Source(
        ("pysiogame",), (wordcards.FOLDER,), wordcards.iter_wordcards, wordcards.LICENCE
    ),
    "gcompris": Source(
        ("gcompris-qt-data",), (gcompris.FOLDER,), gcompris.iter_gcompris, gcompris.LICENCE
    ),
    "wesnoth": Source(
        ("wesnoth-1.16-data",), (wesnoth.FOLDER,), wesnoth.iter_wesnoth, wesnoth.LICENCE
    ),
    "wordnet": Source(("wordnet-base",), (wordnet.FOLDER,), None, wordnet.LICENCE),
}
"""By name, in the order in which they are read."""

PACKAGES: tuple[str, ...] = tuple(p for source in SOURCES.values() for p in source.packages)
"""Every package that the demo pool draws on."""


def missing_sources(root: Path) -> list[str]:
    """Names of the sources whose folders do not all stand below ``root``."""
    return [
        name
        for name, source in SOURCES.items()
        if not all((root / folder).exists() for folder in source.folders)
    ]


def iter_captioned(root: Path) -> Iterator[CaptionedImage]:
    """Every captioned image below ``root``, source by source, in a fixed order.

    Args:
        root: Folder of unpacked packages, so that ``root/usr/share`` exists.

    Yields:
        Images with at least one text, except the naturally bad ones, which may have none.
    """
    absent = set(missing_sources(root))
    for name, source in SOURCES.items():
        if source.items is not None and name not in absent:
            yield from source.items(root)
