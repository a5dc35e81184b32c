"""What the licence of a source says about passing its samples on. No legal advice: a reminder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

NOT_KNOWN = frozenset({"", "none", "unknown", "other"})
"""What stands where no licence is stated, or one that the hub has no name for."""

RULES: Sequence[tuple[str, bool, str]] = (
    (r"cc-by-nc-nd.*", True, "allows passing it on unchanged and unpaid, and no adaptations"),
    (r"cc-by-nd.*", True, "allows passing it on unchanged only, and no adaptations"),
    (r"cc-by-nc-sa.*", False, "names are to be kept, no commercial use, and the same licence"),
    (r"cc-by-nc.*", False, "names are to be kept, and no commercial use"),
    (r"cc-by-sa.*|odbl|gfdl|.*gpl.*", False, "what is made of it stays under the same licence"),
    (r"cc-by.*|odc-by", False, "names are to be kept"),
)
"""Pattern of the hub's licence names, whether it forbids adaptations, and what it says in short.

The first that fits counts; those that need more care stand first.

A selection is taken to be an adaptation: it is part of the data, chosen by rule.
"""


@dataclass(frozen=True)
class Verdict:
    """What is to be said before the samples are passed on.

    Attributes:
        licence: As the source states it, in the hub's way of writing; ``"unknown"``.
        words: One sentence; empty where nothing is to be said.
        confirm: Whether a person has to say that it is allowed.
    """

    licence: str
    words: str
    confirm: bool


def judge_licence(stated: Any) -> Verdict:
    """Look a licence up.

    Args:
        stated: The front matter's ``license``: a name, several, or nothing. Of several the one
            that needs most care counts.
    """
    several = list(stated) if isinstance(stated, list | tuple) else [stated]
    names = [_name(one) for one in several or [None]]
    names.sort(key=_place)
    return max(map(_judge, names), key=lambda verdict: (verdict.confirm, bool(verdict.words)))


def _name(stated: Any) -> str:
    """``CC BY-NC 4.0`` as the hub writes it: ``cc-by-nc-4.0``."""
    return re.sub(r"[\s_]+", "-", str(stated or "").strip().lower())


def _place(name: str) -> int:
    """Place of the first rule about a licence: those that need more care come first."""
    fits = (n for n, (pattern, *_) in enumerate(RULES) if re.fullmatch(pattern, name))
    return next(fits, len(RULES))


def _judge(name: str) -> Verdict:
    if name in NOT_KNOWN:
        words = "The licence of the source is not known: whether its samples may be passed on has "
        words += "to be found out (images often have a licence of their own)."
        return Verdict(name or "unknown", words, True)
    for pattern, forbids, says in RULES:
        if re.fullmatch(pattern, name):
            return Verdict(name, f"The licence of the source, {name}, {_clause(says)}.", forbids)
    return Verdict(name, "", False)


def _clause(says: str) -> str:
    return says if says.startswith("allows") else f"has conditions: {says}"
