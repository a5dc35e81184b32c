"""Planted defects: a good response is replaced by a bad one, and the truth is kept."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from data_cards.demo.captioned import CaptionedImage
from data_cards.demo.draw import Draw
from data_cards.demo.questions import Asker
from data_cards.demo.records import Draft
from data_cards.demo.split import normalise
from data_cards.demo.topics import topic_of

SWAPPED_KINDS = frozenset(
    {"caption", "keywords", "describe", "explain", "definition", "flag_place", "category"}
)
BOILERPLATE = (
    "An image.",
    "This is a picture.",
    "Image description not available.",
    "A high quality photo for personal and commercial use.",
    "Click here to see the full size picture.",
    "Untitled document, uploaded by the user.",
    "Thanks for sharing this great image!",
)
REFUSALS = (
    "I'm sorry, but I can't help with that.",
    "As an AI language model, I am unable to view images.",
    "I cannot answer this question.",
    "Sorry, I can't describe this picture.",
    "I'm not able to assist with this request.",
    "I do not have enough information to answer that.",
    "As a language model I cannot see pictures, so I can't say what it shows.",
    "Unfortunately I am not allowed to identify the content of this image.",
)
EMPTY = ("", "", " ", "\n", "  \n ")


@dataclass(slots=True)
class Donors:
    """Items whose answers may stand under a wrong picture; each is used once.

    An answer that no sample gives comes first, so that a text seen twice does not give the defect
    away; where there is none of the kind, a text is repeated.
    """

    asker: Asker
    items: Sequence[CaptionedImage]
    hashes: Mapping[tuple[str, str], str]
    draw: Draw
    said: set[str]

    def answer(
        self, draft: Draft, fits: Callable[[CaptionedImage], bool], used: set[tuple[str, str]]
    ) -> str | None:
        """Another item's answer to the same kind of question, wrong for this picture."""
        own_image = self.hashes[draft.item.source, draft.item.key]
        own_words = _content(draft.item.caption) | _content(draft.response)
        repeated: tuple[tuple[str, str], str] | None = None
        start = int(self.draw.number("donor", *draft.identity) * len(self.items))
        for item in (*self.items[start:], *self.items[:start]):
            key = (item.source, item.key)
            if key in used or not fits(item) or self.hashes[key] == own_image:
                continue
            if _content(item.caption) & own_words:
                continue
            for question in self.asker.ask(item):
                if question.kind == draft.truth.question:
                    found = key, question.response
                    if normalise(question.response) not in self.said:
                        return self._take(found, used)
                    repeated = repeated or found
        return self._take(repeated, used) if repeated else None

    def _take(self, found: tuple[tuple[str, str], str], used: set[tuple[str, str]]) -> str:
        used.add(found[0])
        self.said.add(normalise(found[1]))
        return found[1]


def _content(text: str) -> set[str]:
    small = {"a", "an", "the", "of", "in", "and", "with", "it", "is", "this", "to", "for", "flag"}
    return set(normalise(text).split()) - small


def _truncate(draft: Draft, draw: Draw) -> str | None:
    """Cut in the middle of a word, between a third and two thirds of the way."""
    text = draft.response
    if len(text.split()) < 10:
        return None
    share = 0.33 + 0.33 * draw.number("cut", *draft.identity)
    cut = int(len(text) * share)
    while cut < len(text) and not (text[cut - 1].isalnum() and text[cut].isalnum()):
        cut += 1
    return text[:cut] if cut < len(text) - 3 else None


def _repeat(draft: Draft, draw: Draw) -> str | None:
    """Some words of the answer over and over, as a decoder that is stuck writes them."""
    words = draft.response.split()
    if not words:
        return None
    length = min(len(words), 1 + int(4 * draw.number("loop", *draft.identity)))
    start = int(draw.number("from", *draft.identity) * (len(words) - length + 1))
    times = 7 + int(12 * draw.number("times", *draft.identity))
    loop = " ".join(words[start : start + length]).rstrip(".,;:")
    return " ".join([*words[:start], *([loop] * times)])


def _translate(draft: Draft, draw: Draw, forbidden: frozenset[str]) -> str | None:
    """The item's own caption in another language, as its source gives it."""
    if draft.truth.question != "caption":
        return None
    english = normalise(draft.item.caption)
    options = [
        text.text
        for text in draft.item.texts
        if not text.language.startswith("en")
        and normalise(text.text) not in forbidden | {english}
        and not _content(text.text) & _content(draft.item.caption)
        and re.search(r"\w{4}", text.text)
    ]
    return draw.pick(options, "language", *draft.identity) if options else None


def plant(
    drafts: Sequence[Draft],
    asker: Asker,
    donors: Sequence[CaptionedImage],
    hashes: Mapping[tuple[str, str], str],
    forbidden: frozenset[str],
    draw: Draw,
    per_kind: int,
) -> list[Draft]:
    """Replace the answers of some good drafts; exact duplicates are added behind.

    Args:
        drafts: Good samples.
        asker: For the donors' answers.
        donors: Items whose answers may be used.
        hashes: Image hashes by (source, key).
        forbidden: Normalised texts that may not occur in the pool.
        draw: For every choice.
        per_kind: How many of each kind are wanted; there are fewer where fewer fit.

    Returns:
        The drafts in the same order, then the duplicates.
    """
    said = {normalise(answer) for draft in drafts for _, answer in draft.pairs}
    source = Donors(asker, donors, hashes, draw, said)
    used: set[tuple[str, str]] = set()

    def near(draft: Draft) -> str | None:
        own = draft.item
        if draft.truth.question not in SWAPPED_KINDS or not draft.with_image:
            return None
        return source.answer(
            draft, lambda i: (i.source, i.category) == (own.source, own.category), used
        )

    def far(draft: Draft) -> str | None:
        own = draft.item
        if draft.truth.question not in SWAPPED_KINDS or not draft.with_image:
            return None
        return source.answer(
            draft, lambda i: i.source != own.source and topic_of(i) != topic_of(own), used
        )

    makers: dict[str, Callable[[Draft], str | None]] = {
        "wrong_language": lambda d: _translate(d, draw, forbidden),
        "truncated": lambda d: _truncate(d, draw),
        "wrong_image_near": near,
        "wrong_image_far": far,
        "repetition": lambda d: _repeat(d, draw),
        "boilerplate": lambda d: draw.pick(BOILERPLATE, "boilerplate", *d.identity),
        "refusal": lambda d: draw.pick(REFUSALS, "refusal", *d.identity),
        "empty": lambda d: draw.pick(EMPTY, "empty", *d.identity),
    }
    planted: dict[int, Draft] = {}
    counts: Counter[str] = Counter()
    numbered = [(d.identity, n) for n, d in enumerate(drafts) if len(d.pairs) == 1]
    for kind, make in makers.items():
        for number in draw.order(numbered, "plant", kind):
            if counts[kind] >= per_kind:
                break
            draft = drafts[number]
            if number in planted:
                continue
            answer = make(draft)
            if answer is None or normalise(answer) in forbidden:
                continue
            if answer and normalise(answer) == normalise(draft.response):
                continue
            truth = replace(
                draft.truth, quality="planted", defect=kind, original_response=draft.response
            )
            planted[number] = replace(draft, pairs=((draft.pairs[0][0], answer),), truth=truth)
            counts[kind] += 1
    whole = [planted.get(number, draft) for number, draft in enumerate(drafts)]
    good = [(d.identity, d) for n, d in enumerate(drafts) if n not in planted and d.with_image]
    for draft in draw.order(good, "plant", "exact_duplicate")[:per_kind]:
        truth = replace(
            draft.truth,
            quality="planted",
            defect="exact_duplicate",
            original_response=draft.response,
        )
        whole.append(replace(draft, truth=truth, copy=draft.copy + 1))
    return whole
