"""Numbers with their nouns, as they stand in sentences."""

from __future__ import annotations


def many(count: int, noun: str, plural: str | None = None) -> str:
    """``1 group``, ``2 groups``, ``1,000 groups``."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
