"""Questions about a flag: whose it is, and what the capital is called there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from data_cards.demo.captioned import CaptionedImage
from data_cards.demo.draw import Draw
from data_cards.demo.prompts import PROMPTS

_REGIONS = {
    "Africa": "in Africa",
    "Asia": "in Asia",
    "Europe": "in Europe",
    "Oceania": "in Oceania",
    "Caribbean": "in the Caribbean",
    "South America": "in South America",
    "North and Central America": "in North or Central America",
    "USA": "in the United States",
}


def _where(category: str) -> str:
    """Where the flag's map lies, e.g. ``"in Russia"``; empty for the map of the world."""
    if category == "World":
        return ""
    plain = re.sub(r"\s*\(.*\)|\s+Districts$", "", category)
    return _REGIONS.get(plain, f"in {plain}")


def place_name(name: str) -> str:
    """The name as it stands inside a sentence: ``"the Netherlands"``, ``"Peru"``."""
    if name.startswith("The "):
        return "the" + name[3:]
    plural = re.match(
        r"Dominican Rep|Central African|United |Netherlands|Philippines|Bahamas|Maldives|Comoros"
        r"|Seychelles|Gambia|Czech Rep|Ivory Coast|Solomon|Marshall|Cayman|Faroe|Falkland"
        r"|Democratic",
        name,
    )
    return f"the {name}" if plural else name


def flag_questions(item: CaptionedImage, draw: Draw) -> Iterator[tuple[str, str, str]]:
    """(kind, prompt, answer) for one flag of KGeography."""
    place = place_name(item.caption)
    capital, where = item.text("capital"), _where(item.category)
    key = (item.source, item.key)
    answers = [f"This is the flag of {place}.", f"{item.caption}.", f"It is flown in {place}."]
    if where and place not in where:
        answers += [
            f"The flag of {place}, {where}.",
            f"It belongs to {place}, which lies {where}.",
            f"{place[:1].upper()}{place[1:]}, {where}, has this flag.",
        ]
    prompt = draw.pick(PROMPTS["flag_place"], "flag_place", *key)
    yield "flag_place", prompt, draw.pick(answers, "flag answer", *key)
    if not capital or " and " in capital or "," in capital or "(" in capital:
        return
    capitals = [
        f"{capital} is the capital of {place}.",
        f"The flag is that of {place}, and the capital is {capital}.",
        f"It is {capital}, the capital of {place}.",
        f"The capital there is {capital}.",
    ]
    prompt = draw.pick(PROMPTS["flag_capital"], "flag_capital", *key)
    yield "flag_capital", prompt, draw.pick(capitals, "capital answer", *key)
