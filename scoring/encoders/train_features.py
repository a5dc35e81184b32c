"""Features of all pictures and texts, computed once and kept on disk.

Pictures are worked through in blocks; each block is a file of its own, written whole or not at
all, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from data_cards.demo.captioned import CaptionedImage
from scoring.encoders.lite0 import Features, Lite0, letterbox, to_bytes_tensor
from scoring.encoders.minilm import MiniLM
from scoring.encoders.train_data import VIEWS, picture, views

BLOCK = 128
VERSION = "1"
"""Counted up when views or features change."""


def image_features(
    items: Sequence[CaptionedImage],
    hashes: Sequence[str],
    cache: Path,
    *,
    augmented: bool,
    workers: int = 4,
) -> list[Features]:
    """Features of each item's views.

    Args:
        items: n items.
        hashes: Their image hashes, in the same order.
        cache: Folder of the blocks.
        augmented: All :data:`~scoring.encoders.train_data.VIEWS` views, not only the first.
        workers: Threads that decode.

    Returns:
        One :class:`~scoring.encoders.lite0.Features` of n rows for each view.
    """
    cache.mkdir(parents=True, exist_ok=True)
    count = VIEWS if augmented else 1
    tower: Lite0 | None = None
    blocks = []
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(items), BLOCK):
            chunk = items[start : start + BLOCK]
            names = "\n".join([VERSION, str(count), *hashes[start : start + BLOCK]])
            path = cache / f"{hashlib.sha256(names.encode()).hexdigest()[:24]}.pt"
            if not path.is_file():
                tower = tower or Lite0()
                pixels = list(pool.map(lambda item: _pixels(item, augmented), chunk))
                _save(path, _run(tower, torch.cat(pixels)))
            blocks.append(torch.load(path, weights_only=True))
    pooled = torch.cat([block["pooled"].float().unflatten(0, (-1, count)) for block in blocks])
    stages = torch.cat([block["stages"].float().unflatten(0, (-1, count)) for block in blocks])
    return [Features(pooled[:, view], stages[:, view]) for view in range(count)]


def text_vectors(texts: Sequence[str], cache: Path) -> torch.Tensor:
    """Sentence vectors of shape (n, 384), kept as one file for this list of texts."""
    cache.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:24]
    path = cache / f"texts-{digest}.pt"
    if not path.is_file():
        _save(path, {"texts": torch.from_numpy(MiniLM().encode(texts))})
    return torch.load(path, weights_only=True)["texts"]


def _pixels(item: CaptionedImage, augmented: bool) -> torch.Tensor:
    image = picture(item)
    shown = views(image, item.key) if augmented else [letterbox(image)]
    return torch.stack([to_bytes_tensor(view) for view in shown])


def _run(tower: Lite0, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
    parts = [tower.features(batch) for batch in pixels.split(64)]
    return {
        "pooled": torch.cat([part.pooled for part in parts]).half(),
        "stages": torch.cat([part.stages for part in parts]).half(),
    }


def _save(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    partial = path.with_suffix(".partial")
    torch.save(tensors, partial)
    partial.replace(path)
