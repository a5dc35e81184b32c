"""Questions about an item, each answered out of what its source says, and nothing else."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_cards.demo.captioned import CaptionedImage
from data_cards.demo.draw import Draw
from data_cards.demo.flags import flag_questions, place_name
from data_cards.demo.prompts import PROMPTS
from data_cards.demo.topics import Topic, topic_of, with_article
from data_cards.demo.wordnet import Glosses

LONGEST = 130
"""Answers of more words are left out, so that scoring the pool stays quick."""

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Question:
    """One question of a kind with its true answer; several pairs make a conversation."""

    kind: str
    pairs: tuple[Pair, ...]

    @property
    def response(self) -> str:
        """All answers, joined by line breaks."""
        return "\n".join(answer for _, answer in self.pairs)


@dataclass(frozen=True, slots=True)
class Thing:
    """An item that one noun names: bare and with its article (``"wolf"``, ``"a wolf"``)."""

    noun: str
    phrase: str
    topic: Topic


def country_of_flag(item: CaptionedImage) -> str:
    """The place of a flag emoji or of a drawing in the national flags' folders, else empty."""
    if item.source == "emoji" and item.caption.startswith("flag: "):
        return place_name(item.caption.removeprefix("flag: "))
    region = re.search(r"/flags/(?:africa|america|asia|europe|oceania)\b", item.category)
    # In the series of national flags the file is named like the place; others show anything.
    stem = re.sub(r"[^a-z]", "", item.key.rsplit("/", 1)[-1])
    letters = re.sub(r"[^a-z]", "", item.caption.casefold())
    if not region or item.source != "openclipart" or "flag" in letters or stem != letters:
        return ""
    place = re.sub(r"^(.+?) - (.+)$", r"\2, \1", item.caption)
    return place_name(place.title() if place.islower() else place)


def sentence(text: str) -> str:
    """First letter upper case, a full stop at the end."""
    closed = text if text.endswith((".", "!", "?", "…")) else text + "."
    return closed[:1].upper() + closed[1:]


class Asker:
    """Knows what can be asked about each item.

    Args:
        root: Folder of the unpacked packages (for WordNet).
        items: The items that may stand beside each other in a choice.
        draw: For the wording.
    """

    def __init__(self, root: Path, items: Sequence[CaptionedImage], draw: Draw) -> None:
        self._glosses = Glosses(root)
        self._draw = draw
        self._asked: dict[tuple[str, str], list[Question]] = {}
        self._others: dict[str, list[Thing]] = defaultdict(list)
        for item in items:
            thing = self.thing(item)
            if thing is not None:
                self._others[thing.topic.label].append(thing)

    def thing(self, item: CaptionedImage) -> Thing | None:
        """The noun of the item, where it is certain that one noun names it."""
        topic = topic_of(item)
        if topic is None or not topic.files:
            return None
        found = re.fullmatch(r"(An?) ([a-z][\w' -]{2,40})\.", item.caption)
        if found:
            return Thing(found[2], f"{found[1].lower()} {found[2]}", topic)
        if item.source == "tuxpaint" or not topic.countable:
            return None
        noun = item.caption.casefold()
        if not self._glosses.definition(noun, topic.files):
            return None
        phrase = with_article(noun)
        return Thing(noun, phrase, topic) if phrase else None

    def definition(self, item: CaptionedImage) -> str:
        """WordNet's definition of what the item shows, or the empty string."""
        topic = topic_of(item)
        if topic is None or not topic.files:
            return ""
        found = re.fullmatch(r"(?:(?:An?|The|Some) )?(.{2,40}?)\.?", item.caption)
        return self._glosses.definition(found[1], topic.files) if found else ""

    def ask(self, item: CaptionedImage) -> list[Question]:
        """Every question that can be asked about the item, at most one of a kind."""
        key = (item.source, item.key)
        if key not in self._asked:
            self._asked[key] = self._ask(item)
        return self._asked[key]

    def _ask(self, item: CaptionedImage) -> list[Question]:
        if item.source == "kgeography":
            made: Iterable[tuple[str, str, str]] = flag_questions(item, self._draw)
        else:
            makers: tuple[Callable[[CaptionedImage], Iterator[tuple[str, str, str]]], ...]
            makers = (self._captions, self._prose, self._facts, self._comparisons)
            made = (question for maker in makers for question in maker(item))
        return [
            Question(kind, ((prompt, answer),))
            for kind, prompt, answer in made
            if answer and len(answer.split()) <= LONGEST
        ]

    def prompt(self, kind: str, item: CaptionedImage) -> str:
        """One wording of a question of that kind."""
        return self._draw.pick(PROMPTS[kind], "prompt", kind, item.source, item.key)

    def _captions(self, item: CaptionedImage) -> Iterator[tuple[str, str, str]]:
        style = self._draw.number("style", item.source, item.key)
        caption, thing = item.caption, self.thing(item)
        if country_of_flag(item):
            caption = f"the flag of {country_of_flag(item)}"
        elif item.source != "tuxpaint" and thing is not None and style < 0.4:
            caption = thing.phrase
        answer = sentence(caption) if style < 0.7 else caption
        yield "caption", self.prompt("caption", item), answer
        words = item.text("keywords").split(", ")
        if len(words) >= 3:
            yield "keywords", self.prompt("keywords", item), ", ".join(words)

    def _prose(self, item: CaptionedImage) -> Iterator[tuple[str, str, str]]:
        title = item.caption
        prose = item.text("description")
        if len(prose.split()) >= 7 and not item.category.endswith("semaphore"):
            lead = "" if item.source == "gimp" else f"{title.rstrip('.')}. "
            yield "describe", self.prompt("describe", item), lead + sentence(prose)
        paragraph = item.text("paragraph")
        if len(paragraph.split()) >= 9 and paragraph.endswith("."):
            yield "explain", self.prompt("explain", item), paragraph

    def _facts(self, item: CaptionedImage) -> Iterator[tuple[str, str, str]]:
        topic, thing, gloss = topic_of(item), self.thing(item), self.definition(item)
        name = item.caption.rstrip(".")
        short = len(name.split()) <= 6
        if topic is not None and short and item.source not in ("gimp", "wesnoth"):
            shown = thing.phrase if thing else f"“{name.strip('“”')}”"
            if country_of_flag(item):
                shown = f"the flag of {country_of_flag(item)}"
            wordings = (
                f"It belongs with {topic.label}; more exactly, it shows {shown}.",
                f"{sentence(topic.label)} What is shown is {shown}.",
                f"{shown[:1].upper()}{shown[1:]}, which I would sort under {topic.label}.",
                f"I would file it under {topic.label}, as {shown}.",
            )
            answer = self._draw.pick(wordings, "category", item.source, item.key)
            yield "category", self.prompt("category", item), answer
        if gloss:
            bare = thing.noun if thing else name
            if thing and re.match(r"(an?|any|one|the) ", gloss):
                answer = sentence(f"{thing.phrase} is {gloss}")
            else:
                answer = sentence(f"{bare}: {gloss}")
            yield "definition", self.prompt("definition", item), answer

    def _comparisons(self, item: CaptionedImage) -> Iterator[tuple[str, str, str]]:
        thing = self.thing(item)
        if thing is None:
            return
        words = set(thing.noun.split())
        others = [o for o in self._others[thing.topic.label] if not words & set(o.noun.split())]
        if not others:
            return
        key = (item.source, item.key)
        other = self._draw.pick(others, "other", *key)
        if self._draw.number("yes", *key) < 0.5:
            prompt, answers = (
                thing.phrase,
                (f"Yes, this is {thing.phrase}.", f"Yes, it shows {thing.phrase}."),
            )
        else:
            prompt, answers = (
                other.phrase,
                (
                    f"No, this is {thing.phrase}, not {other.phrase}.",
                    f"No. What it shows is {thing.phrase}.",
                ),
            )
        wording = self._draw.pick(PROMPTS["yes_no"], "yes_no", *key)
        answer = self._draw.pick(answers, "answer", *key)
        yield "yes_no", wording.format(prompt), answer
        first, second = thing.phrase, other.phrase
        if self._draw.number("swap", *key) < 0.5:
            first, second = second, first
        choice = self._draw.pick(PROMPTS["choice"], "choice", *key).format(first, second)
        replies = (f"It is {thing.phrase}.", sentence(thing.phrase), f"This is {thing.phrase}.")
        yield "choice", choice, self._draw.pick(replies, "choice reply", *key)


def text_only(asker: Asker, item: CaptionedImage) -> Question | None:
    """The definition of a thing, asked for by name, without a picture."""
    thing, gloss = asker.thing(item), asker.definition(item)
    if thing is None or not gloss:
        return None
    return Question("text_only", ((f"What is {thing.phrase}?", sentence(gloss)),))


def conversation(questions: Sequence[Question]) -> Question | None:
    """Three different single questions in a row, the caption first."""
    by_kind = {question.kind: question for question in questions}
    follow = [
        k for k in ("category", "definition", "keywords", "describe", "explain") if k in by_kind
    ]
    if "caption" not in by_kind or len(follow) < 2:
        return None
    pairs = by_kind["caption"].pairs + by_kind[follow[0]].pairs + by_kind[follow[1]].pairs
    return Question("multi_turn", pairs)
