"""What a misspelt word was meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def meant(word: str, known: Iterable[str]) -> str:
    """A question that names the closest of the known words; empty where none is close.

    Args:
        word: As given; capitals make no difference.
        known: What it could have been.

    >>> meant("HERDNG", ["herding", "random"]), meant("x", ["herding"])
    ('Did you mean herding?', '')
    """
    folded = {one.casefold(): one for one in known}
    close = difflib.get_close_matches(word.casefold(), folded, n=1)
    return f"Did you mean {folded[close[0]]}?" if close else ""
