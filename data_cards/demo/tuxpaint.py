"""Tux Paint's stamps: cut-out pictures, one text file each with a caption in many languages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from data_cards.demo.captioned import CaptionedImage, CaptionText, collapse

FOLDER = Path("usr/share/tuxpaint/stamps")
LICENCE = "GPL-2.0-or-later"
_TRANSLATION = re.compile(r"^([a-z]{2,3}(?:_[A-Z]{2})?(?:@\w+)?)\.utf8=(.+)$")


def iter_tuxpaint(root: Path) -> Iterator[CaptionedImage]:
    """Every PNG stamp that has a caption; the category is the two upper folders."""
    for png in sorted((root / FOLDER).rglob("*.png")):
        text = png.with_suffix(".txt")
        if not text.is_file():
            continue
        first, *rest = text.read_text("utf-8", "replace").splitlines() or [""]
        if not collapse(first):
            continue
        texts = [CaptionText("caption", collapse(first))]
        for line in rest:
            found = _TRANSLATION.match(line.strip())
            if found and collapse(found[2]):
                texts.append(CaptionText("caption", collapse(found[2]), found[1]))
        key = png.relative_to(root / FOLDER).with_suffix("")
        category = "/".join(key.parts[:-1][:2])
        yield CaptionedImage("tuxpaint", str(key), png, None, tuple(texts), category, LICENCE)
