"""Data cards: Hugging Face dataset cards whose front matter also tells the reader what is what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from data_cards.columns import normalise_mapping
from data_cards.errors import BadInputError
from data_cards.hub import is_hub, parse_name

FOLDER = Path(__file__).parent / "cards"
"""Where the cards that come with the package lie."""

_RULE = re.compile(r"^---[ \t]*(?:\n|\Z)", re.MULTILINE)
_KEYS = {"format", "columns", "images", "image_name", "instruction", "source", "match"}


@dataclass(frozen=True)
class Card:
    """What a card says to the reader, under the front-matter key ``pickwell``.

    Attributes:
        name: File stem, e.g. ``llava_v1_5_mix665k``.
        text: The whole card.
        front_matter: All of its YAML.
        format: Name of the format, or ``None``.
        columns: Noun to field; ``""`` says that the data has no usable field for it.
        images: Folder of the images, relative to the data file's own.
        image_name: Pattern from an image id to its file (format ``minigpt4`` only).
        instruction: What is asked where the data holds no question.
        source: Name of the data set, for :attr:`Sample.source`.
        files: Patterns of the names (or ``folder/name``) of files or folders it is about.
        hub: Names on the Hugging Face hub that it is about.
    """

    name: str
    text: str
    front_matter: Mapping[str, Any] = field(default_factory=dict)
    format: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    images: str | None = None
    image_name: str | None = None
    instruction: str | None = None
    source: str = ""
    files: tuple[str, ...] = ()
    hub: tuple[str, ...] = ()


def list_cards() -> list[str]:
    """Names of the cards that come with the package, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.md"))


@cache
def load_card(name: str) -> Card:
    """Load a card by its name, or from a file.

    Args:
        name: One of :func:`list_cards`, or a path that ends in ``.md``.

    Raises:
        BadInputError: There is no such card, or its front matter is not usable.
    """
    path = Path(name) if name.endswith(".md") else FOLDER / f"{name}.md"
    if not path.is_file():
        raise BadInputError(f"no data card {name!r}", f"Known cards: {', '.join(list_cards())}.")
    return parse_card(path.read_text(encoding="utf-8"), path.stem, str(path))


def find_card(path: str | Path) -> str | None:
    """Name of the card about this path, by file or (``hf://``) hub name, if there is one."""
    text = str(path)
    hub = parse_name(text).id if is_hub(text) else None
    parts = Path(text).absolute().parts
    tails = ("/".join(parts[-1:]), "/".join(parts[-2:]))
    for name in list_cards():
        card = load_card(name)
        if hub is not None:
            if hub in card.hub:
                return name
        elif any(fnmatchcase(tail, pattern) for tail in tails for pattern in card.files):
            return name
    return None


def split_front_matter(text: str) -> tuple[str, str]:
    """The YAML between the first two lines of ``---``, and the text after them.

    Returns:
        ``("", text)`` where the text does not begin with such YAML.
    """
    parts = _RULE.split(text.removeprefix("\ufeff"), 2)
    return (parts[1], parts[2]) if len(parts) == 3 and not parts[0].strip() else ("", text)


def parse_card(text: str, name: str, where: str) -> Card:
    """Read the front matter of a card.

    Args:
        text: The Markdown text.
        name: The card's name.
        where: Its file, for messages.

    Raises:
        BadInputError: No front matter, broken YAML, or unknown keys under ``pickwell``.
    """
    import yaml

    try:
        front = yaml.safe_load(split_front_matter(text)[0])
    except yaml.YAMLError as error:
        raise BadInputError(f"{where}: the front matter is not valid YAML: {error}") from error
    if not isinstance(front, dict):
        raise BadInputError(f"{where}: a data card begins with YAML between two lines of ---")
    ours = front.get("pickwell") or {}
    unknown = set(ours) - _KEYS if isinstance(ours, dict) else {"pickwell"}
    if unknown:
        raise BadInputError(
            f"{where}: unknown under `pickwell`: {', '.join(sorted(map(str, unknown)))}",
            f"Known: {', '.join(sorted(_KEYS))}.",
        )
    match = ours.get("match") or {}
    return Card(
        name=name,
        text=text,
        front_matter=front,
        format=ours.get("format"),
        columns=normalise_mapping(ours.get("columns") or {}, where),
        images=ours.get("images"),
        image_name=ours.get("image_name"),
        instruction=ours.get("instruction"),
        source=str(ours.get("source") or name),
        files=tuple(match.get("files") or ()),
        hub=tuple(match.get("hub") or ()),
    )
