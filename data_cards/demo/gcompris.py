"""GCompris: photographs and paintings with sentences, and word cards, in Qt resource files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from data_cards.demo.captioned import CaptionedImage, collapse, make_texts
from data_cards.demo.qt_resource import iter_members

FOLDER = Path("usr/share/gcompris-qt/rcc")
LICENCE = "per file: CC-BY-SA, CC0 or GPL-3.0-or-later (credits in the package)"
_STRING = r'(?:qsTr\()?"((?:[^"\\]|\\.)*)"\)?'
_EXPLORE = re.compile(
    rf'"title":\s*{_STRING}\s*,\s*"text":\s*{_STRING}.*?"image2":\s*"qrc:([^"]+)"', re.S
)
_BACKGROUND = re.compile(r'instruction:\s*qsTr\("([^"]*)"\).*?"([^"]*_background\.webp)"', re.S)
_BRAILLE = re.compile(r'"text":\s*qsTr\("([^"]*)"\).*?"img":\s*baseUrl \+ "([^"]*)"', re.S)
_PLANET = re.compile(r'"qrc:([^"]+/solar_system/[^"]+)",\s*"bodyName":\s*qsTr\("([^"]*)"\)', re.S)
_WORD = re.compile(r"/lang/resource/words_sample/([\w-]+)\.(?:webp|png|jpg)$")
_TEXT_FILES = (".qml", ".js")


def _clean(text: str) -> str:
    return collapse(text.replace("\\n", " ").replace('\\"', '"').replace("\\'", "'"))


def _captions(members: dict[str, bytes]) -> Iterator[tuple[str, str, str]]:
    """(member of the picture, title, description) as the activity's own files say."""
    for name, content in members.items():
        word = _WORD.search(name)
        if word:
            yield name, word[1].replace("_", " "), ""
        if not name.endswith(_TEXT_FILES):
            continue
        text, folder = content.decode("utf-8", "replace"), name.rsplit("/", 1)[0]
        for title, description, picture in _EXPLORE.findall(text):
            yield picture, _clean(title), _clean(description)
        for title, picture in _BACKGROUND.findall(text):
            yield f"{folder.removesuffix('/board')}/{picture}", _clean(title), ""
        for picture, title in _PLANET.findall(text):
            yield picture, _clean(title), ""
        if "louis" in name:
            for description, picture in _BRAILLE.findall(text):
                yield f"{folder}/resource/{picture}", "", _clean(description)


def iter_gcompris(root: Path) -> Iterator[CaptionedImage]:
    """Every captioned PNG, JPEG or WebP of the resource files; the category is the activity."""
    for bundle in sorted((root / FOLDER).glob("*.rcc")):
        members = dict(iter_members(bundle))
        seen = set()
        for name, title, description in _captions(members):
            data = members.get(name)
            if data is None or name in seen or name.endswith(".svg"):
                continue
            seen.add(name)
            texts = make_texts(("title", title), ("description", description))
            key = name.removeprefix("/gcompris/src/activities/")
            yield CaptionedImage("gcompris", key, None, data, texts, bundle.stem, LICENCE)
