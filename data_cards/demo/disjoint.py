"""Hashes of everything that a built pool shows and says, read from its files alone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from data_cards.demo.pixels import pixel_hash
from data_cards.demo.records import read_records
from data_cards.demo.split import normalise

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class PoolHashes:
    """First eight bytes (big-endian) of SHA-256, sorted, as ``uint64`` arrays.

    Attributes:
        image: Of the decoded pixels of every picture that can be decoded.
        text: Of every normalised response, replaced response and underlying caption.
    """

    image: np.ndarray
    text: np.ndarray


def text_number(text: str) -> int:
    """The number of a text: first eight bytes of SHA-256 of its normal form."""
    return int.from_bytes(hashlib.sha256(normalise(text).encode()).digest()[:8], "big")


def image_number(pixels: str) -> int:
    """The number of a picture from its hexadecimal pixel hash."""
    return int.from_bytes(bytes.fromhex(pixels)[:8], "big")


def pool_hashes(pool: Path) -> PoolHashes:
    """Decode every picture and read every text of a pool.

    Args:
        pool: Folder with ``pool.json`` and ``images``.

    Raises:
        BadInputError: If there is no pool.
    """
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    texts: set[str] = set()
    pictures: set[str] = set()
    for record in read_records(pool / "pool.json"):
        texts.update(t["value"] for t in record["conversations"] if t["from"] == "gpt")
        texts.update(filter(None, (record["truth"]["original_response"],)))
        texts.add(record["truth"]["caption"])
        if "image" in record:
            pictures.add(record["image"])
    with ThreadPoolExecutor(4) as workers:
        hashes = workers.map(lambda name: pixel_hash((pool / name).read_bytes()), sorted(pictures))
        images = {image_number(value) for value in hashes if value is not None}
    numbers = {text_number(text) for text in texts if normalise(text)}
    return PoolHashes(
        np.array(sorted(images), dtype=np.uint64), np.array(sorted(numbers), dtype=np.uint64)
    )
