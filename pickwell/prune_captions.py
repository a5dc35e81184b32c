"""Captions that tell pictures apart where there is room for a few letters only."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LETTERS = 17
"""As many as a tile of a gallery has room for in one line."""


def captions(words: Sequence[str], letters: int = LETTERS) -> list[str]:
    """Words without the folders that all of them lie in, and without the middle of long ones.

    Args:
        words: Names or ids.
        letters: Of a caption at most, at least 3.

    Returns:
        A caption for each, in the same order.
    """
    folders = _shared_folders(words)
    return [shortened(word[folders:] or word, letters) for word in words]


def _shared_folders(words: Sequence[str]) -> int:
    """Letters of the folders that all words begin with: those of the first and last in order."""
    if not words:
        return 0
    first, last = min(words), max(words)
    alike = next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), None)
    return first[: len(first) if alike is None else alike].rfind("/") + 1


def shortened(word: str, letters: int = LETTERS) -> str:
    """A word with an ellipsis for its middle where it is longer; two thirds are of its end."""
    if len(word) <= letters:
        return word
    start = (letters - 1) // 3
    return f"{word[:start]}…{word[len(word) - (letters - 1 - start) :]}"


def below_one(cosine: float) -> str:
    """A cosine to three digits, or to as many as tell it from 1; of six no more can be trusted."""
    for digits in (3, 4, 5, 6):
        text = f"{cosine:.{digits}f}"
        if float(text) < 1:
            return text
    return "1"
