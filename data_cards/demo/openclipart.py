"""Open Clip Art: drawings with the titles, descriptions and keywords that people entered.

The metadata stands in each SVG, the rendered PNG beside it by path. Many titles are bad as they
came: the name of a series on every drawing of it, nothing at all, a file name, another language.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from data_cards.demo.captioned import CaptionedImage, collapse, make_texts
from data_cards.demo.wordnet import english_words

FOLDER = Path("usr/share/openclipart")
LICENCE = "public domain"
SERIES_SIZE = 8
"""A title on so many drawings names a series, unless the file names say the same."""

_AUTHOR_FIELDS = re.compile(r"<(?:\w+:)?Agent\b.*?</(?:\w+:)?Agent>", re.S)
_WORK = re.compile(r"<(?:\w+:)?Work\b.*?</(?:\w+:)?Work>", re.S)
_SERIES = re.compile(r"part of the flat icon|submission|sibmission|\bclip ?arts?$|\btheme$", re.I)
# Titles of whole series that are true of each drawing all the same, only vague.
_VAGUE = frozenset(
    {
        "card",
        "stick man",
        "simple arrows",
        "australian maps",
        "map symbols",
        "homes clipart",
        "boating rules illustration",
        "people",
        "segmented",
    }
)
_JUNK_KEYWORDS = re.compile(r"hash|0x|unsorted|^\W*$|^\d+$|@|united_nations_member|subnational")
_JUNK_DESCRIPTION = re.compile(
    r"@|hash\(|created? with|https?:|released into|contact:|converted from|part of .* collection"
    r"|collection of|^from at least the time|^the semaphore flag|gensplash|email|architetto",
    re.I,
)


@dataclass(frozen=True, slots=True)
class _Entry:
    png: Path
    key: str
    title: str
    description: str
    keywords: tuple[str, ...]


def _field(tag: str, work: str) -> str:
    found = re.search(rf"<(?:dc:)?{tag}\b[^>]*>([^<]*)<", work)
    return collapse(html.unescape(found.group(1))) if found else ""


def _entries(root: Path) -> Iterator[_Entry]:
    drawings, metadata = root / FOLDER / "png", root / FOLDER / "svg"
    for png in sorted(drawings.rglob("*.png")):
        relative = png.relative_to(drawings)
        svg = (metadata / relative).with_suffix(".svg")
        # A link shows a picture that has its own entry.
        if png.is_symlink() or not svg.is_file():
            continue
        work = _WORK.search(svg.read_text("utf-8", "replace"))
        plain = _AUTHOR_FIELDS.sub("", work.group(0)) if work else ""
        words = (collapse(html.unescape(w)) for w in re.findall(r"<rdf:li[^>]*>([^<]*)<", plain))
        kept = (w.replace("_", " ") for w in words if w and not _JUNK_KEYWORDS.search(w.lower()))
        yield _Entry(
            png,
            str(relative.with_suffix("")),
            _field("title", plain),
            _field("description", plain),
            tuple(dict.fromkeys(kept)),
        )


def clean_title(title: str) -> str:
    """The title as a person would say it: no author, no underscores, no running number."""
    text = re.sub(r"^clip ?art by [^-]+ - ", "", title, flags=re.I).replace("_", " ")
    text = re.sub(r"\(b and w\)|\bbw\b", "in black and white", text, flags=re.I)
    text = re.sub(r"(?<=[a-z])[\s\-.#]*\d{1,3}$", "", text)
    return collapse(text if " " in text else text.replace("-", " "))


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.casefold())


def _says_the_file_name(title: str, key: str) -> bool:
    stem = key.rsplit("/", 1)[-1].casefold()
    words = [w for w in _words(title) if len(w) > 2]
    return bool(words) and all(w.rstrip("s") in stem for w in words)


def _natural_defect(entry: _Entry, shared: int, known: frozenset[str]) -> str | None:
    title = clean_title(entry.title)
    if not _words(title):
        return "empty title"
    if entry.title.casefold() in _VAGUE:
        return "doubtful title"
    series = shared >= SERIES_SIZE or (shared > 1 and "nicu buculei -" in entry.title.lower())
    if _SERIES.search(entry.title) or (series and not _says_the_file_name(title, entry.key)):
        return "boilerplate title"
    words = [w for w in _words(title) if len(w) > 2]
    if not words:
        return "doubtful title"
    if known and "flags" not in entry.key:
        strange = sum(w not in known for w in words)
        if strange * 2 >= len(words):
            return "doubtful title"
    return None


def iter_openclipart(root: Path) -> Iterator[CaptionedImage]:
    """Every distinct drawing with metadata, the badly titled ones marked."""
    entries = list(_entries(root))
    shared = Counter(entry.title.casefold() for entry in entries)
    known = english_words(root)
    for entry in entries:
        defect = _natural_defect(entry, shared[entry.title.casefold()], known)
        description = "" if _JUNK_DESCRIPTION.search(entry.description) else entry.description
        title = entry.title if defect else clean_title(entry.title)
        words = ", ".join(entry.keywords)
        texts = make_texts(("title", title), ("description", description), ("keywords", words))
        category = entry.key.rsplit("/", 1)[0]
        yield CaptionedImage(
            "openclipart", entry.key, entry.png, None, texts, category, LICENCE, defect
        )
