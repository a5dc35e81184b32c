"""What image encoders of timm and transformers share: one model, loaded once, run in batches."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from data_cards.errors import BadInputError
from scoring.encoders.probe import bfloat16_keeps_ranking, has_bfloat16

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL.Image import Image

Precision = Literal["auto", "bfloat16", "float32"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model with its weights.

    Attributes:
        encode: (n, 3, H, W) on its device to (n, dim), of any length and precision.
        transform: One RGB image to (3, H, W) float32.
    """

    encode: Callable[[torch.Tensor], torch.Tensor]
    transform: Callable[[Image], torch.Tensor]


class ImageTower:
    """A model that is loaded when it is first needed, by whichever thread comes first.

    Args:
        name: What messages call it.
        load: Makes the model on a device; called once.
        precision: ``"auto"`` takes bfloat16 on hardware that has it, if a fixed probe shows the
            same ranking as float32 (:mod:`scoring.encoders.probe`).
        device: ``"cpu"`` or ``"cuda"``; CUDA where there is one if not given.
    """

    def __init__(
        self, name: str, load: Callable[[str], Loaded], precision: Precision, device: str | None
    ) -> None:
        self._name, self._load = name, load
        self._precision, self._wanted_device = precision, device
        self._lock = threading.Lock()
        self._ready: tuple[Loaded, bool] | None = None

    @cached_property
    def device(self) -> str:
        """Where the model runs."""
        import torch

        return self._wanted_device or ("cuda" if torch.cuda.is_available() else "cpu")

    @property
    def arithmetic(self) -> str:
        """What of the precision is known without weights; what the probe says follows from it."""
        if self._precision != "auto":
            return self._precision
        kind = self.device.partition(":")[0]
        return f"{kind}, bfloat16 if probed" if has_bfloat16(self.device) else "float32"

    def preprocess(self, image: Image) -> torch.Tensor:
        """One RGB image to (3, H, W) float32."""
        return self._parts()[0].transform(image)

    def encode(self, pixels: torch.Tensor) -> np.ndarray:
        """(n, 3, H, W) to unit float32 vectors of shape (n, dim).

        Raises:
            BadInputError: The model gives something else than one vector for each picture.
        """
        import torch

        loaded, half = self._parts()
        x = pixels.to(self.device, memory_format=torch.channels_last)
        kind = self.device.partition(":")[0]
        with torch.inference_mode(), torch.autocast(kind, torch.bfloat16, enabled=half):
            vectors = one_each(self._name, loaded.encode(x))
            return torch.nn.functional.normalize(vectors.float(), dim=-1).cpu().numpy()

    def _parts(self) -> tuple[Loaded, bool]:
        if self._ready is None:
            with self._lock:
                if self._ready is None:
                    loaded = self._load(self.device)
                    half = self._precision == "bfloat16" or (
                        self._precision == "auto"
                        and bfloat16_keeps_ranking(loaded.encode, loaded.transform, self.device)
                    )
                    self._ready = loaded, half
        return self._ready


def one_each(name: str, vectors: torch.Tensor) -> torch.Tensor:
    """The same, if it is one vector for each picture.

    Raises:
        BadInputError: It is not.
    """
    if getattr(vectors, "ndim", 0) != 2:
        shape = tuple(getattr(vectors, "shape", ()))
        raise BadInputError(
            f"{name} does not give one vector for each picture (shape {shape}).",
            "Name an encoder of whole images, such as DINOv2, CLIP or a ResNet.",
        )
    return vectors
