"""What every packaged source yields: one image with the texts that people wrote about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

TextKind = Literal[
    "title", "caption", "description", "keywords", "paragraph", "definition", "name", "capital"
]


@dataclass(frozen=True, slots=True)
class CaptionText:
    """One text about an image.

    Attributes:
        kind: What the source uses it for.
        text: The text, white space collapsed, never empty.
        language: Code of the source's locale, e.g. ``"en"``, ``"pt_BR"``.
    """

    kind: TextKind
    text: str
    language: str = "en"


@dataclass(frozen=True, slots=True)
class CaptionedImage:
    """One image of a source; exactly one of ``image`` and ``data`` is set.

    Attributes:
        source: Name of the source, e.g. ``"openclipart"``.
        key: Stable id within the source.
        image: The picture's file.
        data: The picture's encoded bytes, where it lies inside another file.
        texts: The texts, best caption first.
        category: Class or folder in the source.
        licence: Licence of picture and text.
        natural_defect: Why the caption is bad, as people entered it; ``None`` for good ones.
    """

    source: str
    key: str
    image: Path | None
    data: bytes | None
    texts: tuple[CaptionText, ...]
    category: str
    licence: str
    natural_defect: str | None = None

    @property
    def caption(self) -> str:
        """The best text, or the empty string."""
        return self.texts[0].text if self.texts else ""

    def text(self, kind: TextKind, language: str = "en") -> str:
        """The first text of that kind and language, or the empty string."""
        found = (t.text for t in self.texts if t.kind == kind and t.language == language)
        return next(found, "")

    def read(self) -> bytes:
        """The encoded picture."""
        if self.data is not None:
            return self.data
        assert self.image is not None
        return self.image.read_bytes()


def collapse(text: str) -> str:
    """White space (also non-breaking and zero-width) collapsed to single spaces."""
    return re.sub(r"[\s\u00a0\u200b-\u200f\ufeff]+", " ", text).strip()


def make_texts(*pairs: tuple[TextKind, str]) -> tuple[CaptionText, ...]:
    """English texts in this order; empty ones and repetitions left out."""
    texts, seen = [], set()
    for kind, raw in pairs:
        text = collapse(raw)
        if text and (text.casefold(), kind == "keywords") not in seen:
            seen.add((text.casefold(), kind == "keywords"))
            texts.append(CaptionText(kind, text))
    return tuple(texts)
