"""Counts in words: one row, two rows."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A count with its noun, as people write it.

    Args:
        number: How many.
        noun: The noun in the singular.
        plural: The noun in the plural, where it is not made with an s.

    >>> counted(1, "row"), counted(2000, "row"), counted(0, "entry", "entries")
    ('1 row', '2,000 rows', '0 entries')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
