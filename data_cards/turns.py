"""From the many ways to write a conversation to turns."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from data_cards.errors import BadRowError
from data_cards.image_paths import kind_of
from data_cards.sample import Role, Turn

ROLES: dict[str, Role] = {
    "human": "user",
    "user": "user",
    "prompter": "user",
    "question": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "answer": "assistant",
    "system": "system",
    "developer": "system",
}
"""Role names met in the wild, in lower case, to ours."""

PLACEHOLDER = "<image>"
_TEXT_PARTS = ("text", "input_text", "output_text")
_IMAGE_PARTS = ("image_url", "image", "input_image")


def parse_turns(value: Any) -> tuple[list[Turn], list[Any]]:
    """Read a conversation in any of the known shapes.

    A turn is ``{"from", "value"}`` (LLaVA, ShareGPT), ``{"role", "content"}`` with text or parts
    (OpenAI), or a pair ``{"user", "assistant"}`` (the Cauldron). The whole is a list, an object
    of lists (as Arrow stores it), or a JSON list inside text (CSV).

    Args:
        value: The conversation as the record holds it.

    Returns:
        The turns in order, placeholders still in them, and the image values found in parts.

    Raises:
        BadRowError: It is none of these, or a role or part is not known.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise BadRowError("the conversation is text, not a list of turns") from None
    if isinstance(value, Mapping):
        value = _transpose(value)
    if not isinstance(value, list):
        raise BadRowError(f"the conversation is {kind_of(value)}, not a list of turns")
    turns: list[Turn] = []
    images: list[Any] = []
    for number, turn in enumerate(value, 1):
        if not isinstance(turn, Mapping):
            raise BadRowError(f"turn {number} is {kind_of(turn)}, not an object")
        if "from" in turn or "role" in turn:
            role = turn.get("from") or turn.get("role")
            content = turn["value"] if "value" in turn else turn.get("content", turn.get("text"))
            turns.append(Turn(_role(role, number), _content(content, number, images)))
        elif "user" in turn and "assistant" in turn:
            for name in ("system", "user", "assistant"):
                if turn.get(name) is not None:
                    turns.append(Turn(ROLES[name], _content(turn[name], number, images)))
        else:
            raise BadRowError(f"turn {number} has no role ('from' or 'role')")
    return turns, images


def without_placeholders(turns: list[Turn]) -> list[Turn]:
    """Take the ``<image>`` placeholders out of turns, with the line break that came along."""
    cleaned = []
    for turn in turns:
        if PLACEHOLDER in turn.text:
            text = turn.text.replace(PLACEHOLDER + "\n", "").replace("\n" + PLACEHOLDER, "")
            turn = Turn(turn.role, text.replace(PLACEHOLDER, "").strip())
        cleaned.append(turn)
    return cleaned


def _role(role: Any, number: int) -> Role:
    known = ROLES.get(role) if isinstance(role, str) else None
    if known is None and isinstance(role, str):
        known = ROLES.get(role.strip().lower())
    if known is None:
        raise BadRowError(f"turn {number} has an unknown role ({str(role)[:40]!r})")
    return known


def _content(content: Any, number: int, images: list[Any]) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise BadRowError(f"the text of turn {number} is {kind_of(content)}")
    texts = []
    for part in content:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if isinstance(part, str):
            texts.append(part)
        elif kind in _TEXT_PARTS and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif kind in _IMAGE_PARTS:
            given = [part[key] for key in ("image_url", "image", "url", "path") if part.get(key)]
            # A bare {"type": "image"} stands for the next of the record's own images.
            images.extend(given[:1])
        else:
            raise BadRowError(f"turn {number} has a part of unknown type ({str(kind)[:40]!r})")
    return "\n".join(texts)


def _transpose(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    lists = [v for v in columns.values() if isinstance(v, list)]
    if not lists or any(len(v) != len(lists[0]) for v in lists) or len(lists) != len(columns):
        raise BadRowError("the conversation is an object, not a list of turns")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
