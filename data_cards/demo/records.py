"""A sample of the pool while it is made, its record in the file, and the truth about it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from data_cards.demo.captioned import CaptionedImage
from data_cards.demo.questions import Pair
from data_cards.errors import BadInputError

Quality = Literal["good", "natural", "planted"]


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known about a sample of the pool; no metric may read it.

    Attributes:
        quality: ``"good"``, ``"natural"`` (bad as people entered it) or ``"planted"``.
        defect: Kind of defect; ``None`` for good ones.
        question: Kind of question.
        original_response: The good response that a defect replaced; for natural ones the
            keywords, where there are some.
        caption: The item's own caption.
        licence: Licence of picture and text.
    """

    quality: Quality
    defect: str | None
    question: str
    original_response: str | None
    caption: str
    licence: str

    @property
    def bad(self) -> bool:
        """Whether the sample has a defect of either kind."""
        return self.quality != "good"


@dataclass(frozen=True, slots=True)
class Draft:
    """A sample before it has an id.

    Attributes:
        item: The picture and its source.
        pairs: (prompt, answer) pairs.
        truth: What is known about it.
        with_image: Whether the picture goes along.
        copy: Number of the copy, for exact duplicates.
    """

    item: CaptionedImage
    pairs: tuple[Pair, ...]
    truth: Truth
    with_image: bool = True
    copy: int = 0

    @property
    def identity(self) -> tuple[str, str, str, int]:
        """What tells it from every other draft."""
        return self.item.source, self.item.key, self.truth.question, self.copy

    @property
    def response(self) -> str:
        """All answers, joined by line breaks."""
        return "\n".join(answer for _, answer in self.pairs)


def to_record(draft: Draft, image: str, seed: int) -> dict[str, Any]:
    """The record in LLaVA's format, with the columns ``source`` and ``truth`` added.

    Args:
        draft: The sample.
        image: Path of its picture, relative to the pool.
        seed: Goes into the id, which is a hash and says nothing about the truth.
    """
    digest = hashlib.sha256(repr((seed, *draft.identity)).encode()).hexdigest()
    turns: list[dict[str, str]] = []
    for number, (prompt, answer) in enumerate(draft.pairs):
        place = "<image>\n" if draft.with_image and number == 0 else ""
        turns += [{"from": "human", "value": place + prompt}, {"from": "gpt", "value": answer}]
    truth = draft.truth
    record: dict[str, Any] = {"id": digest[:16]}
    if draft.with_image:
        record["image"] = image
    record["conversations"] = turns
    record["source"] = draft.item.source
    record["truth"] = {
        "quality": truth.quality,
        "defect": truth.defect,
        "question": truth.question,
        "original_response": truth.original_response,
        "caption": truth.caption,
        "licence": truth.licence,
    }
    return record


def read_records(pool_json: Path) -> list[dict[str, Any]]:
    """The records of a built pool.

    Raises:
        BadInputError: If the file is not there or is no pool.
    """
    try:
        records = json.loads(pool_json.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadInputError(f"{pool_json} is no demo pool: {error}", "Build it again.") from error
    if not isinstance(records, list) or not all(
        isinstance(record, dict) and "truth" in record and "id" in record for record in records
    ):
        raise BadInputError(f"{pool_json} is no demo pool: it has no truth", "Build it again.")
    return records


def read_truth(pool_json: Path) -> Mapping[str, Truth]:
    """The truth about every sample of a built pool, by id.

    Raises:
        BadInputError: If the file is not there or is no pool.
    """
    return {str(r["id"]): Truth(**r["truth"]) for r in read_records(pool_json)}
