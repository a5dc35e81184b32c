"""Which items go into the pool, and with which question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from data_cards.demo.captioned import CaptionedImage
from data_cards.demo.draw import Draw
from data_cards.demo.prompts import PROMPTS
from data_cards.demo.questions import Asker, Question, conversation, text_only
from data_cards.demo.records import Draft, Truth
from data_cards.demo.split import Split, normalise

LARGEST_FILE = 250_000
"""Larger pictures stay out (bytes), but for a few hostile ones."""
HOSTILE_PICTURES = 4
RESERVE_SHARE = 0.07
"""Share of the items that are in no sample: their answers stand under wrong pictures."""
SAME_RESPONSE = 2
"""At most so many good samples may answer with the same words."""
PER_BAD_TITLE = 32
"""At most so many samples with one and the same natural boilerplate title."""
TEXT_ONLY = 50
CONVERSATION_SHARE, SECOND_SHARE = 0.09, 0.12
FLAG_SHARE = 0.65
"""Share of KGeography's flags that are asked about, so that flags don't fill the pool."""
_WEIGHTS = {
    "caption": 4.0,
    "category": 2.0,
    "definition": 3.0,
    "keywords": 1.5,
    "describe": 8.0,
    "explain": 6.0,
    "yes_no": 1.5,
    "choice": 1.5,
    "flag_place": 3.0,
    "flag_capital": 2.0,
}


def _truth(item: CaptionedImage, question: Question) -> Truth:
    return Truth("good", None, question.kind, None, item.caption, item.licence)


def distinct(
    items: Sequence[CaptionedImage], hashes: Mapping[tuple[str, str], str]
) -> list[CaptionedImage]:
    """The items without those that show the same pixels as an earlier one."""
    seen: set[str] = set()
    kept = []
    for item in items:
        image = hashes[item.source, item.key]
        if image not in seen:
            seen.add(image)
            kept.append(item)
    return kept


def training_texts(split: Split) -> frozenset[str]:
    """Normalised texts of training and validation; none may occur in the pool."""
    parts = split.parts["train"] + split.parts["validation"]
    return frozenset(normalise(text.text) for item in parts for text in item.texts)


def _small(item: CaptionedImage) -> bool:
    if item.data is not None:
        return len(item.data) <= LARGEST_FILE
    assert item.image is not None
    return item.image.stat().st_size <= LARGEST_FILE


def pool_items(split: Split) -> tuple[list[CaptionedImage], list[CaptionedImage]]:
    """(good items, naturally bad items) that the pool may use, no picture twice."""
    eligible = distinct(split.parts["held_out"] + split.parts["pool_only"], split.hashes)
    readable = [
        i for i in eligible if not split.hashes[i.source, i.key].startswith("bytes:") and _small(i)
    ]
    good = [item for item in readable if item.natural_defect is None]
    return good, [item for item in readable if item.natural_defect is not None]


def good_drafts(
    items: Sequence[CaptionedImage], asker: Asker, forbidden: frozenset[str], draw: Draw
) -> tuple[list[Draft], list[CaptionedImage]]:
    """Good samples out of the items, and the items that are in none."""
    drafts: list[Draft] = []
    unused: list[CaptionedImage] = []
    said: Counter[str] = Counter()
    spoken: list[tuple[CaptionedImage, Question]] = []

    def free(question: Question) -> bool:
        answers = [normalise(answer) for _, answer in question.pairs]
        return all(
            answer and answer not in forbidden and said[answer] < SAME_RESPONSE
            for answer in answers
        )

    def add(item: CaptionedImage, question: Question, with_image: bool = True) -> None:
        said.update(normalise(answer) for _, answer in question.pairs)
        drafts.append(Draft(item, question.pairs, _truth(item, question), with_image))

    for item in draw.order((((i.source, i.key), i) for i in items), "items"):
        key = (item.source, item.key)
        questions = [question for question in asker.ask(item) if free(question)]
        share = 1 - FLAG_SHARE if item.source == "kgeography" else RESERVE_SHARE
        reserved = draw.number("reserve", *key) < share
        if not questions or reserved or normalise(item.caption) in forbidden:
            unused.append(item)
            continue
        talk = conversation(questions)
        if talk is not None and draw.number("talk", *key) < CONVERSATION_SHARE:
            add(item, talk)
            continue
        spoken.append((item, questions[0]))
        weighted = [(question, _WEIGHTS[question.kind]) for question in questions]
        first = draw.weighted(weighted, "question", *key)
        add(item, first)
        rest = [(question, weight) for question, weight in weighted if question is not first]
        if rest and draw.number("second", *key) < SECOND_SHARE:
            add(item, draw.weighted(rest, "second question", *key))
    asked = 0
    for item, _ in spoken:
        question = text_only(asker, item)
        if asked < TEXT_ONLY and question is not None and free(question):
            add(item, question, with_image=False)
            asked += 1
    return drafts, unused


def natural_drafts(
    items: Sequence[CaptionedImage], forbidden: frozenset[str], draw: Draw
) -> list[Draft]:
    """Samples whose response is the bad title that a person entered."""
    drafts: list[Draft] = []
    same: Counter[str] = Counter()
    for item in draw.order((((i.source, i.key), i) for i in items), "natural"):
        title = item.text("title")
        if same[title] >= PER_BAD_TITLE or (title and normalise(title) in forbidden):
            continue
        keywords = item.text("keywords")
        original = keywords if keywords and normalise(keywords) not in forbidden else None
        same[title] += 1
        prompt = draw.pick(PROMPTS["caption"], "prompt", item.source, item.key)
        truth = Truth("natural", item.natural_defect, "caption", original, title, item.licence)
        drafts.append(Draft(item, ((prompt, title),), truth))
    return drafts


def hostile_drafts(split: Split, forbidden: frozenset[str], draw: Draw) -> list[Draft]:
    """A few well-titled drawings of 100 to 600 million pixels, smallest files first."""
    bombs = [
        item
        for item in split.parts["pool_only"]
        if split.hashes[item.source, item.key].startswith("bytes:")
        and item.natural_defect is None
        and normalise(item.caption) not in forbidden
    ]
    drafts = []
    for item in sorted(bombs, key=lambda i: (len(i.read()), i.key))[:HOSTILE_PICTURES]:
        prompt = draw.pick(PROMPTS["caption"], "prompt", item.source, item.key)
        truth = Truth("natural", "hostile picture", "caption", None, item.caption, item.licence)
        drafts.append(Draft(item, ((prompt, item.caption),), truth))
    return drafts
