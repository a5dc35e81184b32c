"""What an image encoder is, and an image-text encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL.Image import Image


class ImageEncoder(Protocol):
    """Maps images to vectors whose cosine means likeness.

    Constructing one is cheap; weights are loaded on the first encoding.
    """

    @property
    def name(self) -> str:
        """The spec that makes it again, e.g. ``"embedded"``."""

    @property
    def key(self) -> str:
        """Identity of weights, preprocessing and arithmetic (hash); known without loading."""

    @property
    def dim(self) -> int:
        """Length of the vectors; known without loading."""

    @property
    def batch_size(self) -> int:
        """Images per forward pass that run well on this device."""

    @property
    def one_core_passes(self) -> bool:
        """Whether passes side by side, one thread each, are faster than one pass on all cores."""

    @property
    def whole_images(self) -> bool:
        """Whether ``preprocess`` gets the picture at its full size.

        Else it may come reduced by a whole factor, to at least 256 pixels a side, which saves most
        of the decoding of large photographs and changes what the model sees a little.
        """

    def preprocess(self, image: Image) -> torch.Tensor:
        """One RGB image to the model's input, shape (3, H, W); called in decoding threads."""

    def encode_images(self, pixels: torch.Tensor) -> np.ndarray:
        """(n, 3, H, W) to unit float32 vectors of shape (n, dim)."""


class ImageTextEncoder(ImageEncoder, Protocol):
    """Maps images and texts into one space where cosine means alignment.

    No logit scale is ever assumed: callers get unit vectors and take inner products.
    """

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Texts to unit float32 vectors of shape (n, dim)."""
