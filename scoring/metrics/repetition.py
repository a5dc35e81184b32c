"""How much of the response says again what it said before."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from scoring.metric import Batch, Column, MetricSpec, Models, Scores, register

_WORD_GRAM, _CHARACTER_GRAM = 4, 8
_LONGEST_PERIOD = 32
_CHARACTER_RUN = 8

# Thai, Lao, Myanmar, Khmer, kana, Han: written without spaces between words.
_NO_SPACES = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_UNIT = re.compile(f"([{_NO_SPACES}])|[^\\s{_NO_SPACES}]+")
_EDGES = string.punctuation + "…“”„«»‘’–—、。，！？；：「」"


@register
class Repetition:
    """Three shares of repeated text, and the largest of them."""

    version: ClassVar[int] = 1
    spec: ClassVar[MetricSpec] = MetricSpec(
        name="repetition",
        summary="Share of the response that repeats itself: loops, n-grams and lines.",
        formula=(
            f"`repetition_loop`: longest stretch in which each unit equals the one p before it "
            f"(p ≤ {_LONGEST_PERIOD}; at least p and 2 words, or 2p and {_CHARACTER_RUN} "
            f"characters), as a share of the response. `repetition_ngrams`: share of units inside "
            f"an n-gram that occurred before (n = {_WORD_GRAM} words, or {_CHARACTER_GRAM} "
            "characters where words are not spaced). `repetition_lines`: share of characters in "
            "lines that occurred before. `repetition` = the largest. Words are compared without "
            "case and surrounding punctuation."
        ),
        columns=(
            Column("repetition", "the largest of the three", (0.0, 1.0), "lower"),
            Column("repetition_loop", "share in the longest loop", (0.0, 1.0), "lower"),
            Column("repetition_ngrams", "share in repeated n-grams", (0.0, 1.0), "lower"),
            Column("repetition_lines", "share in repeated lines", (0.0, 1.0), "lower"),
        ),
        needs=frozenset({"text"}),
        cost="under 0.1 ms for a caption, under a second for 100,000 characters",
        source=(
            "repeated n-grams and lines after Rae et al., Gopher (arXiv 2112.11446), table A1; "
            "loops are ours, for responses too short to hold an n-gram twice"
        ),
    )

    def __init__(self, models: Models) -> None:
        del models

    def parameters(self) -> Mapping[str, Any]:
        """The n-gram sizes and the longest period."""
        return {
            "word_gram": _WORD_GRAM,
            "character_gram": _CHARACTER_GRAM,
            "longest_period": _LONGEST_PERIOD,
        }

    def score(self, batch: Batch) -> Scores:
        """Score each response by itself; there are no nulls."""
        rows = [_shares(text) for text in batch.responses]
        loop, grams, lines = (
            (list(column) for column in zip(*rows, strict=True))
            if rows
            else (
                [],
                [],
                [],
            )
        )
        return Scores(
            {
                "repetition": [max(row) for row in rows],
                "repetition_loop": loop,
                "repetition_ngrams": grams,
                "repetition_lines": lines,
            },
            [None] * len(batch),
        )


def _shares(text: str) -> tuple[float, float, float]:
    """Loop, n-gram and line shares of one response."""
    units, spaced = _units(text)
    unit_codes = _codes(units)
    characters = _codes([c for c in text.casefold() if not c.isspace()])
    in_words = _loop(unit_codes, shortest=2, copies=1) if spaced else 0.0
    in_characters = _loop(characters, shortest=_CHARACTER_RUN, copies=2)
    size = _WORD_GRAM if spaced else _CHARACTER_GRAM
    return max(in_words, in_characters), _covered(unit_codes, size), _repeated_lines(text)


def _units(text: str) -> tuple[list[str], bool]:
    """Words, and whether they are: single characters where a script puts no spaces."""
    matches = [(match.group(0), match.group(1)) for match in _UNIT.finditer(text.casefold())]
    words = [word.strip(_EDGES) for word, alone in matches if not alone]
    words = [word for word in words if word]
    alone = sum(1 for _, single in matches if single)
    if words and alone <= len(words):
        mixed = [single or word.strip(_EDGES) for word, single in matches]
        return [unit for unit in mixed if unit], True
    return [character for character in text.casefold() if not character.isspace()], False


def _codes(units: Sequence[str]) -> np.ndarray:
    """Small whole numbers, equal where the units are."""
    seen: dict[str, int] = {}
    return np.fromiter((seen.setdefault(unit, len(seen)) for unit in units), np.int64, len(units))


def _loop(codes: np.ndarray, shortest: int, copies: int) -> float:
    """Share of the longest stretch that repeats, unit by unit, what stands ``p`` before it."""
    n, best = len(codes), 0
    for period in range(1, min(_LONGEST_PERIOD, n - 1) + 1):
        if n - period <= best:
            break
        equal = np.concatenate(([0], codes[period:] == codes[:-period], [0])).astype(np.int8)
        edges = np.flatnonzero(np.diff(equal))
        if len(edges):
            run = int((edges[1::2] - edges[::2]).max())
            if run >= max(shortest, copies * period):
                best = max(best, run)
    return best / n if n else 0.0


def _covered(codes: np.ndarray, size: int) -> float:
    """Share of units inside an n-gram that already occurred."""
    n = len(codes)
    if n <= size:
        return 0.0
    windows = np.lib.stride_tricks.sliding_window_view(codes, size)
    _, first, inverse = np.unique(windows, axis=0, return_index=True, return_inverse=True)
    again = first[inverse.reshape(-1)] < np.arange(len(windows))
    steps = np.zeros(n + 1, dtype=np.int64)
    starts = np.flatnonzero(again)
    np.add.at(steps, starts, 1)
    np.add.at(steps, starts + size, -1)
    return float(np.count_nonzero(np.cumsum(steps[:-1])) / n)


def _repeated_lines(text: str) -> float:
    """Share of the lines' characters that stand in lines seen before."""
    lines = [line for line in (line.strip().casefold() for line in text.splitlines()) if line]
    total = sum(map(len, lines))
    seen: set[str] = set()
    again = 0
    for line in lines:
        again += len(line) if line in seen else 0
        seen.add(line)
    return again / total if total else 0.0
