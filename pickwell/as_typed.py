"""Lists as they are typed, and as they may stand in a file."""

from __future__ import annotations

from typing import Any


def words_as_typed(value: Any) -> Any:
    """``a,b`` as the list of its words; whatever is no text stays what it is."""
    return [w.strip() for w in value.split(",") if w.strip()] if isinstance(value, str) else value


def entries_as_typed(value: Any) -> Any:
    """``herding,d2:aum:gamma=1,neighbours=5``: an option without a method belongs to the last."""
    if not isinstance(value, str):
        return value
    made: list[str] = []
    for word in words_as_typed(value):
        if made and "=" in word and ":" not in word:
            made[-1] += f",{word}"
        else:
            made.append(word)
    return made


def columns_as_typed(text: str) -> dict[str, str]:
    """``image=file,response=caption`` as a mapping.

    Raises:
        ValueError: If a part is not ``field=column``.
    """
    mapping = {}
    for part in text.split(","):
        name, sign, column = (word.strip() for word in part.partition("="))
        if not sign or not name or not column:
            raise ValueError(f"{part.strip()!r} is not FIELD=COLUMN")
        mapping[name] = column
    return mapping


def mapping_as_typed(value: Any) -> Any:
    """The same; whatever is no text stays what it is."""
    return columns_as_typed(value) if isinstance(value, str) else value
