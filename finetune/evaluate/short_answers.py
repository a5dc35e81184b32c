"""Short answers: equal to the reference, holding it, and holding it early, beside chance."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from selector.order import id_digests

_NUMBERS = {
    word: str(number)
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    )
} | {"none": "0"}
_ARTICLES = {"a", "an", "the"}
_BETWEEN_DIGITS = re.compile(r"(?<=\d)[.,](?=\d)")


def normalise(text: str) -> str:
    """Text as answers are compared: the idea of VQA's evaluation, for every script.

    NFKC and case folded; apostrophes and commas between digits dropped, other punctuation turned
    into spaces (a point between digits stays); articles dropped; number words up to ten as
    digits (Antol et al., "VQA", ICCV 2015). A text of nothing but articles and marks keeps its
    words, so that the answer "A" is not empty.

    Returns:
        Words joined by single spaces.
    """
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    text = re.sub(r"['’`]", "", text.replace("\ue000", " "))
    text = _BETWEEN_DIGITS.sub(lambda mark: "\ue000" if mark[0] == "." else "", text)
    kept = (c if unicodedata.category(c)[0] in "LMN" or c == "\ue000" else " " for c in text)
    words = "".join(kept).replace("\ue000", ".").split()
    plain = [_NUMBERS.get(word, word) for word in words if word not in _ARTICLES]
    return " ".join(plain or words)


@dataclass(frozen=True, slots=True)
class Match:
    """One output against one reference.

    Attributes:
        exact: Equal after normalisation.
        contained: The reference's words stand in the output, in a row.
        contained_cut: The same, of the output's first few words only.
        words: Words of the output after normalisation.
    """

    exact: bool
    contained: bool
    contained_cut: bool
    words: int


def match(output: str, reference: str, cut: float = 3.0) -> Match:
    """Compare an output with its reference.

    Args:
        output: What the model said.
        reference: What the data say.
        cut: The output is cut to this many times the reference's words (at least that many) for
            ``contained_cut``: containment rewards long outputs, and this takes the reward away.
    """
    return _match(normalise(output).split(), normalise(reference).split(), cut)


def _match(said: list[str], meant: list[str], cut: float) -> Match:
    kept = max(len(meant), int(cut * len(meant)))
    return Match(
        bool(meant) and said == meant, _holds(said, meant), _holds(said[:kept], meant), len(said)
    )


def is_short(reference: str, words: int) -> bool:
    """Whether a reference has one to ``words`` words, counted after normalisation."""
    return 1 <= len(normalise(reference).split()) <= words


def chance(
    outputs: Sequence[str],
    references: Sequence[str],
    ids: Sequence[str],
    sources: Sequence[Hashable],
    *,
    cut: float = 3.0,
    shuffles: int = 100,
    seed: int = 0,
) -> dict[str, float]:
    """What the same outputs reach against other samples' references: the chance level.

    References change places within their source (all together where a source has but one
    sample); none stays where it was, though an equal one may take its place.

    Returns:
        Mean of ``exact``, ``contained`` and ``contained_cut`` over shuffles; NaN for fewer than
        two samples.
    """
    said = [normalise(text).split() for text in outputs]
    meant = [normalise(text).split() for text in references]
    if len(said) < 2:
        return dict.fromkeys(("exact", "contained", "contained_cut"), float("nan"))
    digests = id_digests(ids, seed, purpose="chance")
    order = np.lexsort((digests[:, 1], digests[:, 0]))
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for row in order.tolist():
        groups[sources[row]].append(row)
    alone = {source for source, rows in groups.items() if len(rows) < 2}
    pools = [np.array(rows) for source, rows in groups.items() if source not in alone]
    if alone:
        pools.append(order)
    generator = np.random.default_rng(seed)
    counts = np.zeros(3)
    total = 0
    for _ in range(shuffles):
        for pool in pools:
            ring = generator.permutation(pool)
            for row, other in zip(ring.tolist(), np.roll(ring, 1).tolist(), strict=True):
                if alone and pool is order and sources[row] not in alone:
                    continue
                found = _match(said[row], meant[other], cut)
                counts += (found.exact, found.contained, found.contained_cut)
                total += 1
    return dict(
        zip(("exact", "contained", "contained_cut"), (counts / total).tolist(), strict=True)
    )


def _holds(words: list[str], wanted: list[str]) -> bool:
    size = len(wanted)
    return bool(wanted) and any(
        words[start : start + size] == wanted for start in range(len(words) - size + 1)
    )
