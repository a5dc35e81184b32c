"""What the image tower sees at each of the 49 places, computed once and kept on disk.

Pictures are worked through in blocks; each block is a file of its own, written whole or not at
all, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data_cards.demo.captioned import CaptionedImage
from finetune.models.processor import IMAGE_TOKENS, build_pictures
from scoring.encoders.lite0 import POOLED, Lite0
from scoring.encoders.train_data import picture, views

if TYPE_CHECKING:
    import torch

BLOCK = 64
VERSION = "1"
"""Counted up when views or features change."""
CHANGED = (1, 2)
"""The changed views that training sees beside the picture itself: two crops, one mirrored."""


def place_features(
    items: Sequence[CaptionedImage],
    hashes: Sequence[str],
    cache: Path,
    *,
    augmented: bool,
    workers: int = 2,
) -> np.ndarray:
    """Features of each item's views, place by place.

    Args:
        items: n items.
        hashes: Their image hashes, in the same order.
        cache: Folder of the blocks.
        augmented: Also the :data:`CHANGED` views, not only the picture itself.
        workers: Threads that decode.

    Returns:
        float16 of shape (n, views, 49, 1280), never negative.
    """
    from rich.console import Console
    from rich.progress import Progress

    cache.mkdir(parents=True, exist_ok=True)
    count = 1 + len(CHANGED) * augmented
    found = np.empty((len(items), count, IMAGE_TOKENS, POOLED), np.float16)
    pictures = build_pictures()
    tower: Lite0 | None = None
    console = Console(stderr=True)
    with ThreadPoolExecutor(workers) as pool, Progress(console=console, transient=True) as progress:
        for start in progress.track(range(0, len(items), BLOCK), description="image features"):
            chunk = items[start : start + BLOCK]
            names = "\n".join([VERSION, str(count), *hashes[start : start + BLOCK]])
            path = cache / f"places-{hashlib.sha256(names.encode()).hexdigest()[:24]}.npy"
            if not path.is_file():
                tower = tower or Lite0()
                pixels = list(pool.map(lambda item: _pixels(item, pictures, augmented), chunk))
                _save(path, _run(tower, pixels))
            found[start : start + BLOCK] = np.load(path, allow_pickle=False)
    return found


def _pixels(item: CaptionedImage, pictures: Any, augmented: bool) -> torch.Tensor:
    """Views of a picture as the model's processor gives them, shape (views, 3, 224, 224)."""
    image = picture(item)
    changed = views(image, item.key)
    shown = [image, *(changed[view] for view in CHANGED)] if augmented else [image]
    pixels: torch.Tensor = pictures(shown, return_tensors="pt")["pixel_values"]
    return pixels


def _run(tower: Lite0, pixels: Sequence[torch.Tensor]) -> np.ndarray:
    import torch

    rows = []
    network: Any = tower.model
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for batch in torch.cat(list(pixels)).split(16):
            seen = network.forward_features(batch.contiguous(memory_format=torch.channels_last))
            rows.append(seen.flatten(2).transpose(1, 2).half())
    return torch.cat(rows).unflatten(0, (len(pixels), -1)).numpy()


def _save(path: Path, features: np.ndarray) -> None:
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.save(file, features, allow_pickle=False)
    partial.replace(path)
