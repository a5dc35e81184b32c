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


def flag_questions(item: CaptionedImage, draw: Draw) -> Iterator[tuple[str, str, str]]:
    """(kind, prompt, answer) for one flag of KGeography."""
    place, capital, where = item.caption, item.text("capital"), _where(item.category)
    key = (item.source, item.key)
    answers = [f"This is the flag of {place}.", f"{place}.", f"It is flown in {place}."]
    if where and place not in where:
        answers += [
            f"The flag of {place}, {where}.",
            f"It belongs to {place}, which lies {where}.",
            f"{place}, {where}, has this flag.",
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
