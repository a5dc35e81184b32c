"""How two plans differ, in words: what a folder was made with, and what is asked for now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def flat(plan: Mapping[str, Any]) -> dict[str, Any]:
    """``{"recipe": {"epochs": 3}}`` as ``{"recipe.epochs": 3}``."""
    made: dict[str, Any] = {}
    for key, value in plan.items():
        if isinstance(value, Mapping):
            made |= {f"{key}.{inner}": one for inner, one in flat(value).items()}
        else:
            made[key] = value
    return made


def differences(
    there: Mapping[str, Any], here: Mapping[str, Any], words: Mapping[str, str]
) -> list[str]:
    """``epochs 30 there, 10 here``, for all that both say and say differently.

    Args:
        there: What a folder was made with; flat.
        here: What is asked for; flat.
        words: What a key is called; by default its last part.
    """
    return [
        f"{words.get(key) or key.rpartition('.')[2].replace('_', ' ')} "
        f"{_said(there[key])} there, {_said(value)} here"
        for key, value in here.items()
        if key in there and there[key] != value
    ]


def _said(value: Any) -> str:
    if value is None:
        return "not given"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
