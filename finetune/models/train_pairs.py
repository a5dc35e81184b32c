"""What the projector is trained on: packaged pictures outside the demo pool, and questions.

Pictures and texts come from the training side of :mod:`data_cards.demo.split`, as for the embedded
encoder; the questions are asked as the pool asks them. An answer that the pool also holds (two
drawings can share a dictionary definition) is left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from data_cards.demo.captioned import CaptionedImage
from data_cards.demo.disjoint import image_number, text_number
from data_cards.demo.draw import Draw
from data_cards.demo.pool import make_drafts
from data_cards.demo.questions import Asker
from data_cards.demo.split import normalise

if TYPE_CHECKING:
    import numpy as np

LONG_KINDS = frozenset({"describe", "explain"})
POOL_SEED = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """One question about a picture.

    Attributes:
        row: The picture's row among the items.
        kind: Kind of the question, as in :data:`data_cards.demo.prompts.PROMPTS`.
        prompt: The question.
        answer: The true answer.
    """

    row: int
    kind: str
    prompt: str
    answer: str


@lru_cache(maxsize=2)
def pool_answers(packages: Path, seed: int = POOL_SEED) -> frozenset[str]:
    """Everything that the demo pool answers anywhere, and its captions, normalised.

    Args:
        packages: Folder of unpacked packages.
        seed: Of the pool.
    """
    texts: set[str] = set()
    for draft in make_drafts(packages, seed):
        texts.update(answer for _, answer in draft.pairs)
        texts.update(filter(None, (draft.truth.original_response, draft.truth.caption)))
    return frozenset(filter(None, map(normalise, texts)))


def ask_all(
    packages: Path,
    items: Sequence[CaptionedImage],
    seed: int,
    forbidden: frozenset[str] = frozenset(),
) -> list[Asked]:
    """Every question about every item, each in one wording.

    Args:
        packages: Folder of unpacked packages (for the dictionary).
        items: The pictures; alternatives in questions are drawn from them.
        seed: For the wordings: another seed asks in other words.
        forbidden: Normalised answers that are left out.
    """
    asker = Asker(packages, items, Draw(seed))
    return [
        Asked(row, question.kind, prompt, answer)
        for row, item in enumerate(items)
        for question in asker.ask(item)
        for prompt, answer in question.pairs
        if normalise(answer) and normalise(answer) not in forbidden
    ]


def thinned(asked: Sequence[Asked], seed: int, long_share: float = 1 / 3) -> list[Asked]:
    """All short answers, and a share of the long ones, drawn by the seed.

    Long answers teach prose, not seeing, and cost the most.
    """
    draw = Draw(seed)
    return [
        one
        for one in asked
        if one.kind not in LONG_KINDS or draw.number("long", one.row, one.kind) < long_share
    ]


def pair_hashes(image_hashes: Sequence[str], texts: Sequence[str]) -> dict[str, np.ndarray]:
    """First eight bytes of SHA-256 of every picture's pixels and every normalised text.

    Args:
        image_hashes: Of the pictures that were used.
        texts: All texts and answers that were used.

    Returns:
        ``image`` and ``text``, uint64, sorted and unique.
    """
    import numpy as np

    images = {image_number(value) for value in image_hashes}
    numbers = {text_number(text) for text in texts}
    return {
        "image": np.array(sorted(images), np.uint64),
        "text": np.array(sorted(numbers), np.uint64),
    }


def order_key(one: Asked, seed: int) -> str:
    """Hash by which questions are put in an order that their place in the list does not decide."""
    text = f"{seed}\x00{one.row}\x00{one.kind}\x00{one.prompt}"
    return hashlib.sha256(text.encode()).hexdigest()
