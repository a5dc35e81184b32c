"""From the judge's answer to ratings: the mean over the rating tokens' probabilities, or a number.

A judge that wavers between 3 and 4 says so in the probabilities of the tokens at that place, and
writes only one of them. Where a server tells the probabilities, the rating is therefore the
expected value, sum of r P(r) over the ratings r, divided by the sum of P(r).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from scoring.judge.base import Judgement, Rubric
from scoring.judge.rubrics import allowed, rated

VERSION = 1
"""Raise when the same answer would give other ratings."""

LEAST = 0.5
"""Share of the probability that must lie on ratings; below it the mean says little."""

TOP = 20
"""Alternatives asked for per token: as many as servers give by default."""

_NUMBER = re.compile(r'([0-9]{1,3})"?\s*[,}]?\s*')


@dataclass(frozen=True, slots=True)
class Token:
    """One token of an answer, and what could have stood in its place.

    Attributes:
        text: As it was written.
        top: Pairs of text and log-probability, the written one among them.
    """

    text: str
    top: Sequence[tuple[str, float]] = field(default=())


class UnreadableError(Exception):
    """An answer without the ratings that were asked for."""


def read(rubric: Rubric, text: str, tokens: Sequence[Token] | None) -> Judgement:
    """The ratings of an answer.

    With single ratings from 1 to 5, the expected value over the tokens at the place of each
    digit, or null with a reason where fewer than half of the probability lies on ratings. A rating
    from 0 to 100 is the expected value where it has two or three digits and stands in one token:
    then the alternatives are whole numbers too. Many tokenizers write one digit a token; the
    alternatives of "8" in "85" are then first digits, whose continuations nobody knows, and the
    number that was written is taken.

    Args:
        rubric: What was asked.
        text: The answer.
        tokens: Its tokens; ``None`` where the server gives no probabilities.

    Raises:
        UnreadableError: If the answer is not the JSON object that was asked for.
    """
    written = _numbers(rubric, text)
    if not tokens:
        return Judgement({name: float(number) for name, number in written.items()}, "parsed")
    joined = "".join(token.text for token in tokens)
    ratings: dict[str, float | None] = {}
    reasons: list[str] = []
    methods: set[str] = set()
    place = joined.rfind("{")
    for name in rated(rubric):
        found = re.compile(rf'"{name}"\s*:\s*"?([0-9]+)').search(joined, max(place, 0))
        if found is None or int(found[1]) != written[name]:
            ratings[name] = None
            reasons.append(f"{name}: its place among the tokens was not found")
            continue
        place = found.end()
        at = _token_of(tokens, found.start(1), found.end(1))
        if rubric == "paper" and (at is None or len(found[1]) == 1):
            ratings[name] = float(written[name])
            methods.add("parsed")
            continue
        if at is None:
            ratings[name] = None
            reasons.append(f"{name}: its digits stand in several tokens")
            continue
        value, mass = expected(rubric, *at)
        ratings[name] = value
        methods.add("expected")
        if value is None:
            reasons.append(f"{name}: only {mass:.0%} of the probability is on ratings")
    return Judgement(
        ratings, "parsed" if methods == {"parsed"} else "expected", "; ".join(reasons) or None
    )


def expected(rubric: Rubric, token: Token, before: str) -> tuple[float | None, float]:
    """Mean rating over the alternatives of one token, and the probability that lies on ratings.

    Args:
        rubric: Which numbers count.
        token: The token that holds the number.
        before: What stands in it before the number.
    """
    opening = before.strip()
    mass = total = 0.0
    for text, logprob in token.top:
        rest = text.strip()
        if not rest.startswith(opening):
            continue
        match = _NUMBER.fullmatch(rest[len(opening) :].lstrip())
        if match is None or int(match[1]) not in allowed(rubric) or math.isnan(logprob):
            continue
        share = math.exp(min(logprob, 0.0))
        mass += share
        total += share * int(match[1])
    return (total / mass if mass >= LEAST else None), mass


def _token_of(tokens: Sequence[Token], start: int, end: int) -> tuple[Token, str] | None:
    """The token that holds these characters, and its text before them; none if they span two."""
    here = 0
    for token in tokens:
        after = here + len(token.text)
        if here <= start < after:
            return (token, token.text[: start - here]) if end <= after else None
        here = after
    return None


def _numbers(rubric: Rubric, text: str) -> dict[str, int]:
    """The numbers of the last JSON object in the answer; a model may have thought aloud before."""
    shown = " ".join(text.split())[:60]
    start = text.rfind("{")
    try:
        if start < 0:
            raise ValueError
        pairs, _ = json.JSONDecoder(object_pairs_hook=list).raw_decode(text, start)
    except (ValueError, RecursionError):
        raise UnreadableError(f"the answer holds no JSON object: {shown!r}") from None
    names = [name for name, _ in pairs]
    found = {}
    for name in rated(rubric):
        value = _whole(dict(pairs).get(name)) if names.count(name) == 1 else None
        if value is None or value not in allowed(rubric):
            raise UnreadableError(f"the answer holds no {name} as asked for: {shown!r}")
        found[name] = value
    return found


def _whole(value: Any) -> int | None:
    """A whole number, also one in quotation marks, as a server without schema may give it."""
    if isinstance(value, str) and re.fullmatch(r"\d{1,3}", value, re.ASCII):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
