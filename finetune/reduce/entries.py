"""A method as typed for ``prune --by`` and ``benchmark``: with its score and its options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from data_cards.errors import BadInputError
from data_cards.meant import meant
from finetune.reduce.scores import SCORES
from scoring.dynamics import catalogue
from selector.coreset.base import find_method
from selector.coreset.typed import as_typed, read_typed

SYNTAX = "Write METHOD[:SCORE][:OPTION=VALUE,OPTION=VALUE]."


@dataclass(frozen=True)
class Entry:
    """A method, with the score that it ranks by and its options.

    Attributes:
        method: Of the shelf.
        score: Of :data:`finetune.reduce.scores.SCORES`; ``None`` where it needs none.
        options: Of the method.
    """

    method: str
    score: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As tables call it and outcomes are kept: method, score and sorted options, as typed."""
        told = ",".join(f"{key}={as_typed(self.options[key])}" for key in sorted(self.options))
        return ":".join(part for part in (self.method, self.score, told) if part)


def parse_entry(text: str, score: str) -> Entry:
    """``ccs``, ``hardest:forgetting``, ``d2:aum:gamma=0.3,neighbours=10``.

    Args:
        text: As typed.
        score: For methods that need one and name none.

    Raises:
        BadInputError: There is no such method, score or option, an option cannot be what it is
            said to be, or a part is empty or too many.
    """
    typed = read_typed(text, SYNTAX)
    found = find_method(typed.name)
    options = found.checked(typed.options, typed=True)
    lone = next((word for word in typed.words if word in found.options), None)
    if lone is not None:
        raise BadInputError(f"{text!r}: the option {lone} has no value", f"Write {lone}=VALUE.")
    if "scores" not in found.needs:
        if typed.words:
            raise BadInputError(
                f"{text!r}: {found.name} ranks by no score", f"Leave {typed.words[0]} out."
            )
        return Entry(found.name, None, options)
    if len(typed.words) > 1:
        raise BadInputError(
            f"{text!r} names {len(typed.words)} scores: {', '.join(typed.words)}", "Name one."
        )
    if not typed.words:
        return Entry(found.name, known_score(score), options)
    return Entry(found.name, known_score(typed.words[0], text), options)


def known_score(name: str, where: str = "") -> str:
    """The name of a score, if a method can rank by it.

    Args:
        name: Of the score.
        where: It was typed, for messages.

    Raises:
        BadInputError: There is no such score, or it is had only in Python.
    """
    if name in SCORES:
        return name
    before = f"{where}: " if where else ""
    how = {one.name: one.how for one in catalogue.SCORES}
    if name in how:
        raise BadInputError(
            f"{before}no method ranks by {name}", f"It is had only in Python: {how[name]}."
        )
    raise BadInputError(
        f"{before}there is no score {name!r}",
        meant(name, SCORES) or f"One of: {', '.join(SCORES)}.",
    )
