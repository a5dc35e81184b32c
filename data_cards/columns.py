"""Which field of a record is what: given by a card, by the user, or recognised by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from data_cards.errors import BadInputError

NOUNS = ("id", "images", "instruction", "response", "conversations", "source")
"""What a column mapping may name; ``image`` is another word for ``images``."""

_CANDIDATES: dict[str, tuple[str, ...]] = {
    "id": ("id", "sample_id", "uid", "uuid", "__key__", "key"),
    "images": (
        "images",
        "image",
        "image_path",
        "image_paths",
        "img",
        "img_path",
        "file_name",
        "filename",
        "filepath",
        "image_file",
        "image_bytes",
        "picture",
        "jpg",
        "png",
    ),
    "conversations": ("conversations", "messages", "conversation", "texts", "dialogue", "dialog"),
    "instruction": ("instruction", "question", "prompt", "query", "input", "user"),
    "response": (
        "response",
        "answer",
        "output",
        "caption",
        "text",
        "completion",
        "description",
        "assistant",
        "target",
    ),
    "source": ("source", "data_source"),
}

_SECRET = re.compile(r"truth(?![a-z])", re.IGNORECASE)


def recognise_columns(fields: Iterable[str]) -> dict[str, str]:
    """Guess the mapping from field names.

    The first known name wins, whatever its case. A conversation column makes instruction and
    response needless.

    Args:
        fields: The names that the data has.

    Returns:
        Noun to field, only for what was found.
    """
    by_name = {name.lower(): name for name in reversed(list(fields))}
    found = {}
    for noun, names in _CANDIDATES.items():
        match = next((by_name[name] for name in names if name in by_name), None)
        if match is not None:
            found[noun] = match
    if "conversations" in found:
        found.pop("instruction", None)
        found.pop("response", None)
    return found


def normalise_mapping(mapping: Mapping[str, str | None], origin: str) -> dict[str, str]:
    """Check a mapping that a person wrote.

    Args:
        mapping: Noun to field; ``None`` or ``""`` says that there is no such field. Several
            fields joined by ``|`` are tried in this order, row by row.
        origin: Who wrote it, for messages.

    Returns:
        The mapping with ``image`` renamed to ``images``.

    Raises:
        BadInputError: An unknown noun, or a field that holds planted truth.
    """
    checked = {}
    for noun, field in mapping.items():
        noun = "images" if noun == "image" else noun
        if noun not in NOUNS:
            raise BadInputError(
                f"{origin}: {noun!r} is not something a column can be",
                f"Known are: {', '.join(NOUNS)}.",
            )
        field = "" if field is None else str(field)
        if any(_SECRET.match(name) for name in field.split("|")):
            raise BadInputError(
                f"{origin}: the column {field!r} holds planted truth and is never read",
                "Choose another column.",
            )
        checked[noun] = field
    return checked


def require_text(columns: Mapping[str, str], fields: Sequence[str], where: str) -> None:
    """Make sure that there is something to learn from.

    Raises:
        BadInputError: Neither a response nor a conversation column is mapped.
    """
    if columns.get("conversations") or columns.get("response"):
        return
    seen = ", ".join(repr(f) for f in fields if not _SECRET.match(f)) or "none"
    raise BadInputError(
        f"{where}: no column with the response (or the conversation) was recognised; seen: {seen}",
        "Say which it is, e.g. --columns response=NAME.",
    )


def describe(columns: Mapping[str, str]) -> str:
    """The mapping in one phrase, e.g. ``id=id, images=image``."""
    return ", ".join(f"{noun}={columns[noun]}" for noun in NOUNS if columns.get(noun))
