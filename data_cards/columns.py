"""Which field of a record is what: given by a card, by the user, or recognised by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from data_cards.errors import BadInputError

NOUNS = ("id", "images", "instruction", "response", "conversations", "source", "label")
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

_LABELS = (
    "cls",
    "label",
    "class",
    "category",
    "label_name",
    "class_name",
    "class_label",
    "fine_label",
    "target",
)
_PICTURES = ("id", "images", "conversations", "source", "label")
"""What is read of a picture; a conversation only for the image that it may hold."""

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
    names_there = list(fields)
    found = {}
    for noun, names in _CANDIDATES.items():
        match = _first_known(names, names_there)
        if match is not None:
            found[noun] = match
    if "conversations" in found:
        found.pop("instruction", None)
        found.pop("response", None)
    return found


def recognise_label(fields: Iterable[str]) -> str | None:
    """The field that says a picture's class, guessed from its name; asked of pictures only."""
    return _first_known(_LABELS, list(fields))


def picture_columns(mapping: Mapping[str, str], fields: Sequence[str]) -> dict[str, str]:
    """What a mapping says of pictures: nothing of words, and where the class stands.

    Args:
        mapping: Noun to field, as for pairs.
        fields: The names that the data has; the label is recognised among them if ``mapping``
            says nothing of it.
    """
    found = {noun: mapping[noun] for noun in _PICTURES if noun in mapping}
    label = recognise_label(fields)
    return found if label is None else {"label": label} | found


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
    raise BadInputError(
        f"{where}: no column with the response (or the conversation) was recognised; "
        f"seen: {_listed(fields)}",
        "Say which it is, e.g. --columns response=NAME.",
    )


def require_image(columns: Mapping[str, str], fields: Sequence[str], where: str) -> None:
    """Make sure that there is something to look at.

    Raises:
        BadInputError: Neither an image nor a conversation column is mapped.
    """
    if columns.get("images") or columns.get("conversations"):
        return
    raise BadInputError(
        f"{where}: no column with the image was recognised; seen: {_listed(fields)}",
        "Say which it is, e.g. --columns image=NAME.",
    )


def describe(columns: Mapping[str, str]) -> str:
    """The mapping in one phrase, e.g. ``id=id, images=image``."""
    return ", ".join(f"{noun}={columns[noun]}" for noun in NOUNS if columns.get(noun))


def _first_known(names: Sequence[str], fields: Sequence[str]) -> str | None:
    """The field that bears the first of the names, whatever its case."""
    by_name = {field.lower(): field for field in reversed(fields)}
    return next((by_name[name] for name in names if name in by_name), None)


def _listed(fields: Sequence[str]) -> str:
    return ", ".join(repr(field) for field in fields if not _SECRET.match(field)) or "none"
