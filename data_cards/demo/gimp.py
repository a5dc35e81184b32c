"""GIMP's manual: dialogs, tools, worked examples, each with a caption and the text around it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from data_cards.demo.captioned import CaptionedImage, collapse, make_texts

FOLDER = Path("usr/share/gimp/2.0/help/en")
LICENCE = "GFDL-1.2-or-later"
XHTML = "{http://www.w3.org/1999/xhtml}"
SHORT = 12
"""A picture's own caption of at most so many words is joined to its figure's title."""


def _text(node: Element | None) -> str:
    return collapse("".join(node.itertext())) if node is not None else ""


def _of_class(node: Element, name: str) -> list[Element]:
    return [inner for inner in node.iter() if inner.get("class") == name]


def _title(figure: Element) -> str:
    titles = [p for p in figure.findall(f"{XHTML}p") if p.get("class") == "title"]
    return re.sub(r"^Figure\W*[\dA-Z.]+\s*", "", _text(titles[0])) if titles else ""


def _next_paragraph(siblings: list[Element], position: int) -> str:
    """The first paragraph after this place, unless a heading or another figure comes first."""
    for node in siblings[position + 1 : position + 4]:
        if node.tag == f"{XHTML}p":
            return _text(node)
        if node.tag != f"{XHTML}br":
            return ""
    return ""


def _pictures(node: Element, title: str, paragraph: str) -> Iterator[tuple[str, str, str, str]]:
    """(image reference, best caption, own long text, paragraph) of each media object."""
    media = [node] if node.get("class") == "mediaobject" else _of_class(node, "mediaobject")
    for item in media:
        image = item.find(f".//{XHTML}img")
        if image is None:
            continue
        own = " ".join(_text(caption) for caption in _of_class(item, "caption"))
        if not title:
            best, long = own, ""
        elif own and len(own.split()) <= SHORT:
            best, long = (f"{title}: {own}" if len(media) > 1 else title), own
        else:
            best, long = title, own
        yield image.get("src", ""), best, long, paragraph


def _figures(parent: Element) -> Iterator[tuple[str, str, str, str]]:
    children = list(parent)
    for position, node in enumerate(children):
        kind = node.get("class", "")
        if kind in ("figure", "informalfigure", "mediaobject"):
            title = _title(node) if kind == "figure" else ""
            yield from _pictures(node, title, _next_paragraph(children, position))
        else:
            yield from _figures(node)


def iter_gimp(root: Path) -> Iterator[CaptionedImage]:
    """Every captioned figure's picture, once; the category is its folder."""
    seen = set()
    for page in sorted((root / FOLDER).glob("*.html")):
        # The file comes out of a signed package, not from a user.
        body = ElementTree.parse(page).getroot()  # noqa: S314
        for reference, best, long, paragraph in _figures(body):
            picture = root / FOLDER / reference
            if not best or reference in seen or not picture.is_file():
                continue
            if picture.suffix.lower() not in (".png", ".jpg", ".jpeg", ".gif"):
                continue
            seen.add(reference)
            key = str(Path(reference).relative_to("images"))
            texts = make_texts(("caption", best), ("description", long), ("paragraph", paragraph))
            category = str(Path(key).parent)
            yield CaptionedImage("gimp", key, picture, None, texts, category, LICENCE)
