"""KGeography: flags of countries and of their divisions, with names and capitals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from data_cards.demo.captioned import CaptionedImage, CaptionText, collapse

FOLDER = Path("usr/share/kgeography")
LICENCE = "GPL-2.0-or-later"


def iter_kgeography(root: Path) -> Iterator[CaptionedImage]:
    """Every flag once; the name first, then the capital; the category is the map's name."""
    seen = set()
    for path in sorted((root / FOLDER).glob("*.kgm")):
        # The file comes out of a signed package, not from a user.
        tree = ElementTree.parse(path).getroot()  # noqa: S314
        country = collapse(tree.findtext("name") or path.stem)
        for division in tree.iter("division"):
            name = collapse(division.findtext("name") or "")
            file = collapse(division.findtext("flag") or "")
            flag = root / FOLDER / "flags" / file
            if not name or not file or file in seen or not flag.is_file():
                continue
            seen.add(file)
            texts = [CaptionText("name", name)]
            capital = collapse(division.findtext("capital") or "")
            if capital:
                texts.append(CaptionText("capital", capital))
            key = file.removesuffix(".png")
            yield CaptionedImage("kgeography", key, flag, None, tuple(texts), country, LICENCE)
