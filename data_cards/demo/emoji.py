"""Noto's colour emoji: the PNGs inside the font, named and tagged by the Unicode CLDR."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

from data_cards.demo.captioned import CaptionedImage, CaptionText, collapse

FONT = Path("usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
CLDR = Path("usr/share/unicode/cldr/common")
LICENCE = "OFL-1.1 (pictures), Unicode-DFS-2016 (names)"
LOCALES = ("en", "de", "fr", "es", "it", "nl", "pl", "ru", "ja", "el", "tr", "fi", "cs", "zh", "ar")
_MEMBERS = re.compile(r"\{(.+?)\}|(.)-(.)|(.)")
_VARIATION_SELECTOR = "\ufe0f"
_SKIN_TONES = set(map(chr, range(0x1F3FB, 0x1F400)))


def _annotations(root: Path, locale: str) -> Mapping[str, tuple[str, str]]:
    """Emoji to (name, keywords) in this locale; a missing part is empty."""
    names: dict[str, str] = {}
    keywords: dict[str, str] = {}
    for folder in ("annotations", "annotationsDerived"):
        path = root / CLDR / folder / f"{locale}.xml"
        if not path.is_file():
            continue
        # The file comes out of a signed package, not from a user.
        for node in ElementTree.parse(path).iter("annotation"):  # noqa: S314
            emoji = node.get("cp", "").replace(_VARIATION_SELECTOR, "")
            text = collapse(node.text or "")
            if text and text != "↑↑↑":
                (names if node.get("type") == "tts" else keywords)[emoji] = text
    return {emoji: (name, keywords.get(emoji, "")) for emoji, name in names.items()}


def _groups(root: Path) -> Mapping[str, str]:
    """Emoji to its group, e.g. ``"animal-mammal"``, as the Unicode CLDR sorts them."""
    path = root / CLDR / "properties" / "labels.txt"
    groups: dict[str, str] = {}
    if not path.is_file():
        return groups
    for line in path.read_text("utf-8").replace(_VARIATION_SELECTOR, "").splitlines():
        found = re.match(r"\[(.+)\]\s*;\s*([^;]+?)\s*;\s*(\S.*?)\s*$", line)
        if found is None:
            continue
        for several, first, last, one in _MEMBERS.findall(found[1]):
            codes = range(ord(first), ord(last) + 1) if first else ()
            for emoji in (several or one, *map(chr, codes)):
                groups[emoji] = found[3].lower()
    return groups


def _sequences(font: object) -> dict[str, str]:
    """Emoji sequence (no variation selectors) to glyph name, ligatures included."""
    cmap: dict[int, str] = font.getBestCmap()  # type: ignore[attr-defined]
    characters = {glyph: chr(code) for code, glyph in cmap.items()}
    found = {chr(code): glyph for code, glyph in cmap.items()}
    for lookup in font["GSUB"].table.LookupList.Lookup:  # type: ignore[index]
        for table in lookup.SubTable:
            inner = getattr(table, "ExtSubTable", table)
            for first, ligatures in getattr(inner, "ligatures", {}).items():
                for ligature in ligatures:
                    glyphs = [first, *ligature.Component]
                    if all(glyph in characters for glyph in glyphs):
                        text = "".join(characters[glyph] for glyph in glyphs)
                        found.setdefault(text.replace(_VARIATION_SELECTOR, ""), ligature.LigGlyph)
    return found


def iter_emoji(root: Path) -> Iterator[CaptionedImage]:
    """Every named emoji without a skin tone; 136 x 128 pixel PNGs, nothing is rendered.

    The category is the group in which the Unicode CLDR lists it.
    """
    if not (root / FONT).is_file() or not (root / CLDR).is_dir():
        return
    from fontTools.ttLib import TTFont

    font = TTFont(root / FONT)
    bitmaps = {}
    for strike in font["CBDT"].strikeData:
        bitmaps.update(strike)
    groups = _groups(root)
    locales = {locale: _annotations(root, locale) for locale in LOCALES}
    for emoji, glyph in sorted(_sequences(font).items()):
        if emoji not in locales["en"] or glyph not in bitmaps or _SKIN_TONES & set(emoji):
            continue
        if not hasattr(bitmaps[glyph], "imageData"):
            continue
        name, keywords = locales["en"][emoji]
        texts = [CaptionText("title", name)]
        words = [collapse(word) for word in keywords.split("|")]
        words = [word for word in words if word and word != name]
        if words:
            texts.append(CaptionText("keywords", ", ".join(words)))
        for locale in LOCALES[1:]:
            if emoji in locales[locale]:
                texts.append(CaptionText("title", locales[locale][emoji][0], locale))
        key = "-".join(f"{ord(character):x}" for character in emoji)
        category = "flag" if name.startswith("flag:") else groups.get(emoji, "other")
        data = bytes(bitmaps[glyph].imageData)
        yield CaptionedImage("emoji", key, None, data, tuple(texts), category, LICENCE)
