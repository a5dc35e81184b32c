"""Whether bfloat16 may stand in for float32 on this machine, asked of fixed pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

PICTURES = 16
NEEDED = 0.998
"""Spearman correlation of the pictures' similarities, in bfloat16 against float32."""


def probe_pictures(count: int = PICTURES, seed: int = 0) -> list[Image]:
    """Made-up pictures with edges, gradients and texture; the same ones always."""
    import numpy as np
    from PIL import Image, ImageDraw

    rng = np.random.default_rng(seed)
    pictures = []
    for _ in range(count):
        coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((256, 256), Image.Resampling.BICUBIC)
        draw = ImageDraw.Draw(picture)
        for _ in range(6):
            x, y, w, h = (int(v) for v in rng.integers(0, 200, 4))
            colour = tuple(int(v) for v in rng.integers(0, 256, 3))
            shape = draw.ellipse if rng.random() < 0.5 else draw.rectangle
            shape((x, y, x + w + 8, y + h + 8), fill=colour)
        pictures.append(picture)
    return pictures


def has_bfloat16(device: str) -> bool:
    """Whether the hardware computes in bfloat16; where it does not, emulation is slower."""
    import torch

    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def bfloat16_keeps_ranking(
    encode_image: Callable[[torch.Tensor], torch.Tensor],
    transform: Callable[[Image], torch.Tensor],
    device: str,
) -> bool:
    """Encode the probe both ways and compare the rankings of all pairs.

    Args:
        encode_image: The image tower; called under autocast and without.
        transform: Its preprocessing.
        device: Where the tower lies; one without bfloat16 answers ``False`` at once.
    """
    import torch

    if not has_bfloat16(device):
        return False
    x = torch.stack([transform(picture) for picture in probe_pictures()])
    x = x.to(device, memory_format=torch.channels_last)
    ranks = []
    for half in (True, False):
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=half):
            unit = torch.nn.functional.normalize(encode_image(x).float(), dim=-1)
        rows, columns = torch.triu_indices(len(unit), len(unit), 1, device=device)
        pairs = (unit @ unit.T)[rows, columns]
        ranks.append(pairs.argsort().argsort().double())
    return bool(torch.corrcoef(torch.stack(ranks))[0, 1] >= NEEDED)
