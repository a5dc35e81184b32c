"""What the embedded encoder is trained on: pictures, their texts, and changed views of them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from data_cards.demo.captioned import CaptionedImage
from data_cards.demo.split import normalise
from data_cards.images import decode
from scoring.encoders.lite0 import SIZE, letterbox

VIEWS = 4
"""Views of a training picture: as it is, and three changed ones."""
LONGEST = 448


def is_flag(item: CaptionedImage) -> bool:
    """Flags say nothing of their country to who does not know them; they train nothing."""
    return "flag" in item.category


def picture(item: CaptionedImage) -> Image.Image:
    """The decoded picture, at most :data:`LONGEST` pixels a side."""
    image, _ = decode(item.read(), item.key)
    if max(image.size) > LONGEST:
        image.thumbnail((LONGEST, LONGEST), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return image


def views(image: Image.Image, seed: str) -> list[Image.Image]:
    """The letterboxed picture, two jittered crops (one mirrored), and a turned one.

    Args:
        image: The picture.
        seed: Decides what is changed, and how much.
    """
    rng = random.Random(seed)  # noqa: S311
    mirrored = letterbox(_jitter(_crop(image, rng, 0.5), rng))
    turned = letterbox(image).rotate(
        rng.uniform(-20, 20), Image.Resampling.BICUBIC, fillcolor=(255, 255, 255)
    )
    return [
        letterbox(image, SIZE),
        letterbox(_jitter(_crop(image, rng, 0.7), rng)),
        mirrored.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        _jitter(turned, rng),
    ]


def _jitter(image: Image.Image, rng: random.Random) -> Image.Image:
    for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = change(image).enhance(rng.uniform(0.6, 1.4))
    return image


def _crop(image: Image.Image, rng: random.Random, smallest: float) -> Image.Image:
    width, height = image.size
    share = rng.uniform(smallest, 1)
    other = rng.uniform(max(smallest, share - 0.15), min(1, share + 0.15))
    w, h = max(1, int(width * share)), max(1, int(height * other))
    x, y = rng.randint(0, width - w), rng.randint(0, height - h)
    return image.crop((x, y, x + w, y + h))


def training_hashes(
    items: Sequence[CaptionedImage], image_hashes: Sequence[str]
) -> dict[str, np.ndarray]:
    """First eight bytes of every picture's and every normalised text's SHA-256, as uint64.

    Args:
        items: All items used in training or validation.
        image_hashes: Their :func:`~data_cards.demo.split.image_hash`, in the same order.

    Returns:
        ``image`` and ``text``, each sorted and unique.
    """
    images = {int(value[:16], 16) for value in image_hashes}
    texts = set()
    for item in items:
        for text in item.texts:
            digest = hashlib.sha256(normalise(text.text).encode()).digest()
            texts.add(int.from_bytes(digest[:8], "big"))
    return {
        "image": np.array(sorted(images), np.uint64),
        "text": np.array(sorted(texts), np.uint64),
    }


def write_hashes(path: Path, hashes: dict[str, np.ndarray]) -> None:
    """Write them as a compressed ``npz``."""
    np.savez_compressed(path, **hashes)  # type: ignore[arg-type]
