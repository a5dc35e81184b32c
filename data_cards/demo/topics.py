"""What the sources' folders mean: a group's name in English, and where WordNet keeps its nouns."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from data_cards.demo.captioned import CaptionedImage


@dataclass(frozen=True, slots=True)
class Topic:
    """A group of things.

    Attributes:
        label: Plural name, to stand after "belongs with".
        files: WordNet lexicographer files in which its nouns have their sense.
        countable: Whether its nouns take "a" or "an".
    """

    label: str
    files: tuple[str, ...] = ()
    countable: bool = False


# First match wins: the finer groups stand before the coarser ones.
_TOPICS: tuple[tuple[str, Topic], ...] = (
    (r"flag", Topic("flags")),
    (r"/led$", Topic("lamps")),
    (r"buttons", Topic("buttons")),
    (r"icons|folders", Topic("computer icons")),
    (r"pattern", Topic("patterns")),
    (r"jigsaw", Topic("jigsaw pieces")),
    (r"mammal|dogs|bears|marsupial|monkey-face|cat-face", Topic("mammals", ("animal",), True)),
    (r"bird|penguin", Topic("birds", ("animal",), True)),
    (r"bug|insect", Topic("insects and other small creatures", ("animal",), True)),
    (r"fish|marine", Topic("animals of the sea", ("animal",), True)),
    (r"animal|dinosaur|farm_animals", Topic("animals", ("animal",), True)),
    (r"fruit_n_veg", Topic("fruit and vegetables", ("food", "plant"))),
    (r"fruit|nuts", Topic("fruit", ("food", "plant"))),
    (r"vegetable", Topic("vegetables", ("food", "plant"))),
    (r"food|drink|beverage", Topic("food and drink", ("food", "plant"))),
    (r"flower|plant|tree|mushroom", Topic("plants", ("plant",), True)),
    (r"body", Topic("parts of the body", ("body",))),
    (r"cloth|hats", Topic("clothes", ("artifact",), True)),
    (r"music", Topic("music", ("artifact",), True)),
    (r"roadsign|transport-sign|warning", Topic("road signs and warnings")),
    (r"vehicle|transport|boating", Topic("means of transport", ("artifact",), True)),
    (r"weapon|military", Topic("military things", ("artifact",), True)),
    (r"tool|construction", Topic("tools and building", ("artifact",), True)),
    (r"household|furniture|dishware", Topic("things about the house", ("artifact",), True)),
    (r"electronics|computer|phone|light & video", Topic("electronics", ("artifact",), True)),
    (r"office|writing|book|mail|education", Topic("office and school", ("artifact",), True)),
    (r"jobs|person-role", Topic("people at their work", ("person",), True)),
    (r"emotion|face|smil", Topic("faces and feelings")),
    (r"people|person|family", Topic("people", ("person",), True)),
    (r"actions", Topic("things that people and animals do")),
    (r"sport", Topic("sports", ("artifact",), True)),
    (r"game|toys|chess|hobb|party", Topic("games and toys", ("artifact",), True)),
    (r"holiday|seasonal|event", Topic("holidays and seasons", ("artifact",), True)),
    (r"sky|weather|astronomy|space|solar|nature", Topic("nature and the sky", ("object",))),
    (r"monument|details|place|town|building", Topic("buildings and places", ("artifact",), True)),
    (r"alphabet|alphanum|math|keycap", Topic("letters and numbers")),
    (r"money", Topic("money", ("artifact",), True)),
    (r"sign|symbol|zodiac|arrow|shapes|geometric|religion", Topic("signs and symbols")),
)


def topic_of(item: CaptionedImage) -> Topic | None:
    """The group of an item by its category; ``None`` where the folder says nothing useful."""
    return _topic(item.source, item.category)


@cache
def _topic(source: str, category: str) -> Topic | None:
    if source == "wesnoth":
        return Topic(f"fantasy portraits ({category})")
    if source == "gimp":
        return Topic("figures of a manual for an image editor")
    for pattern, topic in _TOPICS:
        if re.search(pattern, category):
            return topic
    return None


_UNCOUNTED = frozenset(
    {"clothing", "footwear", "underwear", "jewelry", "leather", "cloth", "wool", "lace", "yarn"}
    | {"furniture", "pottery", "lumber", "wood", "glass", "ivory", "soap", "paper", "grass"}
    | {"equipment", "hardware", "software", "electricity", "money", "luggage", "transport"}
    | {"music", "art", "snow", "rain", "water", "wheat", "corn"}
)


def with_article(noun: str) -> str:
    """``"a wolf"``, ``"an owl"``; the empty string for plurals and uncounted nouns."""
    last = noun.split()[-1] if noun.split() else ""
    plural = last.endswith("s") and not last.endswith(("ss", "us", "is"))
    if not last or plural or last.casefold() in _UNCOUNTED or not noun[0].isalpha():
        return ""
    vowel = re.match(r"(?!uni|use|usu|eu|one|ukul)[aeiou]|hour|heir|honest", noun, re.I)
    return f"{'an' if vowel else 'a'} {noun}"
