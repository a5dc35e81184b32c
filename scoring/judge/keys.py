"""What a judgement depends on, as hashes: the metric's key, and the key of one kept answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

from scoring.judge import ratings, rubrics
from scoring.judge.base import JudgeItem, Judgement, JudgeOptions
from scoring.judge.cache import answer_key


def judge_key(identity: str, options: JudgeOptions) -> str:
    """16 hexadecimal digits that change with model, rubric, pictures, and how answers are read."""
    parts = [identity_hash(identity, options), options.sends_images]
    if options.sends_images:
        parts.append(options.image_side)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def identity_hash(identity: str, options: JudgeOptions) -> str:
    """The same without the pictures, which stand in each answer's own key."""
    parts = [identity, options.rubric, rubrics.VERSION, ratings.VERSION, options.max_tokens]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def item_key(identity: str, item: JudgeItem, options: JudgeOptions) -> bytes:
    """Key of one answer: model, rubric, the words of the prompt, the pictures' bytes and size.

    A row without pictures has the same key whether or not pictures are sent.
    """
    parts: list[bytes | str] = [*rubrics.question(item, options)]
    if options.sends_images and item.pictures:
        parts += [str(options.image_side), *(picture.key for picture in item.pictures)]
    return answer_key(identity, *parts)


def places(keys: Sequence[bytes]) -> dict[bytes, list[int]]:
    """Where each key stands: rows that ask the same are asked about once."""
    found: dict[bytes, list[int]] = {}
    for index, key in enumerate(keys):
        found.setdefault(key, []).append(index)
    return found


def shared(judgement: Judgement, count: int) -> list[Judgement]:
    """One answer for ``count`` equal rows: only the first was asked about."""
    copy = judgement if judgement.retryable else replace(judgement, cached=True)
    return [judgement, *[copy] * (count - 1)]
