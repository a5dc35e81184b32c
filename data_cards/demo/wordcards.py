"""pysioGame's word cards (art4apps): one drawing or photograph for one word, in 12 classes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from data_cards.demo.captioned import CaptionedImage, make_texts

FOLDER = Path("usr/share/games/pysiogame/res/images/art4apps")
LICENCE = "CC-BY-SA-3.0"


def iter_wordcards(root: Path) -> Iterator[CaptionedImage]:
    """Every card; the word is the file's name, the category its folder."""
    for picture in sorted((root / FOLDER).glob("*/*.jpg")):
        key = f"{picture.parent.name}/{picture.stem}"
        texts = make_texts(("title", picture.stem.replace("_", " ")))
        category = picture.parent.name
        yield CaptionedImage("wordcards", key, picture, None, texts, category, LICENCE)
