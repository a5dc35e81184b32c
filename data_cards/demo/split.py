"""Which packaged pairs may train the embedded encoder, and which are the pool's alone.

The pool and the training script both read this split; :mod:`tests.scoring.test_training_disjoint`
checks its result from the files, not from here. Tux Paint is the held-out source: never trained,
never tuned on. Of the other sources the best caption decides, so that all pictures with one
caption fall on the same side. What the training side still shares with the pool (a picture under
another name, a keyword list, a description) is then taken away from the training side.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from data_cards.demo.captioned import CaptionedImage
from data_cards.demo.pixels import image_hash, image_hashes
from data_cards.demo.sources import iter_captioned

__all__ = ["Split", "assign", "image_hash", "normalise", "split_items"]

Part = Literal["train", "validation", "held_out", "pool_only"]
TRAIN_SHARE, VALIDATION_SHARE = 0.68, 0.06
HELD_OUT_SOURCE = "tuxpaint"
POOL_ONLY_SOURCES = frozenset({HELD_OUT_SOURCE, "kgeography"})
SEED = 0


def normalise(text: str) -> str:
    """Text as it is compared: NFKC, casefold, no punctuation, single spaces.

    Letters, marks and digits of every script stay; all else separates words.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    kept = (c if unicodedata.category(c)[0] in "LMN" else " " for c in folded)
    return re.sub(r"\s+", " ", "".join(kept)).strip()


@dataclass(frozen=True, slots=True)
class Split:
    """The parts; ``dropped`` items belong to none.

    Attributes:
        parts: Items by part. Training and validation items hold English texts only, and only
            those that the pool does not hold.
        dropped: Former training items that the pool also shows or whose caption it also holds,
            and drawings with a doubtful title, which are neither good nor surely bad.
        hashes: :func:`image_hash` by (source, key), of all items.
    """

    parts: Mapping[Part, tuple[CaptionedImage, ...]]
    dropped: tuple[CaptionedImage, ...]
    hashes: Mapping[tuple[str, str], str]


def pool_texts(item: CaptionedImage) -> list[str]:
    """The texts that the pool may use of an item.

    English ones, without lists of one keyword; a translation is used only where it is no
    training text either, which the pool's builder sees to.
    """
    return [
        t.text for t in item.texts if t.language == "en" and (t.kind != "keywords" or "," in t.text)
    ]


def _share(text: str, seed: int) -> float:
    digest = hashlib.sha256(f"{seed}:{text}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _first_part(item: CaptionedImage, image: str, seed: int) -> Part:
    unreadable = image.startswith("bytes:")
    caption = normalise(item.caption)
    if item.natural_defect or item.source in POOL_ONLY_SOURCES or unreadable or not caption:
        return "pool_only"
    share = _share(caption, seed)
    if share < VALIDATION_SHARE:
        return "validation"
    return "train" if share < TRAIN_SHARE else "held_out"


def assign(
    items: Sequence[CaptionedImage],
    hashes: Mapping[tuple[str, str], str] | None = None,
    *,
    seed: int = SEED,
) -> Split:
    """Divide the items; training then shares no picture and no text with the pool or validation.

    Args:
        items: All items of all sources.
        hashes: Their image hashes, where they are known already.
        seed: Of the hash that decides for each caption.

    Returns:
        The split. ``held_out`` and ``pool_only`` together are what the pool may use.
    """
    known = hashes if hashes is not None else image_hashes(items)
    parts: dict[Part, list[CaptionedImage]] = defaultdict(list)
    dropped: list[CaptionedImage] = []
    for item in items:
        if item.natural_defect == "doubtful title":
            dropped.append(item)
        else:
            parts[_first_part(item, known[item.source, item.key], seed)].append(item)
    taken_texts, taken_images = set[str](), set[str]()
    # Whatever stands earlier in this order keeps what it shares with what stands later.
    order: tuple[Part, ...] = ("pool_only", "held_out", "validation", "train")
    for part in order:
        if part in ("validation", "train"):
            kept = []
            for item in parts[part]:
                texts = tuple(t for t in item.texts if t.language == "en")
                free = tuple(t for t in texts if normalise(t.text) not in taken_texts)
                image = known[item.source, item.key]
                if image in taken_images or not free or free[0] != item.texts[0]:
                    dropped.append(item)
                else:
                    kept.append(replace(item, texts=free))
            parts[part] = kept
        for item in parts[part]:
            taken_images.add(known[item.source, item.key])
            taken_texts.update(normalise(text) for text in pool_texts(item))
    return Split({part: tuple(parts[part]) for part in order}, tuple(dropped), known)


@lru_cache(maxsize=2)
def split_items(root: Path) -> Split:
    """The split of everything below ``root``; image hashes are kept beside the packages."""
    items = list(iter_captioned(root))
    return assign(items, image_hashes(items, root))


def training_items(root: Path) -> list[CaptionedImage]:
    """What the encoder is trained on."""
    return list(split_items(root).parts["train"])


def validation_items(root: Path) -> list[CaptionedImage]:
    """What early stopping and tuning may look at; shares nothing with training or pool."""
    return list(split_items(root).parts["validation"])


def held_out_items(root: Path) -> list[CaptionedImage]:
    """Good pairs of the training sources, held out by caption; part of the pool."""
    return list(split_items(root).parts["held_out"])


def tuxpaint_items(root: Path) -> list[CaptionedImage]:
    """The held-out source, whole; part of the pool."""
    return [i for i in split_items(root).parts["pool_only"] if i.source == HELD_OUT_SOURCE]
