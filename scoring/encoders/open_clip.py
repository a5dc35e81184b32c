"""Any open_clip model as an encoder: its own preprocessing, tokenizer and context length.

Source: Ilharco et al., "OpenCLIP" (the Python package ``open_clip_torch``). Only ``encode_image``
and ``encode_text`` are called, so that CLIP, CoCa, SigLIP and custom text towers are all the same;
logit scale and bias are never looked at.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import logging
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from data_cards.errors import BadInputError
from scoring.encoders.probe import bfloat16_keeps_ranking

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL.Image import Image

log = logging.getLogger(__name__)

PREFIX = "open_clip:"
FORMS = (
    "Write open_clip:ARCH/PRETRAINED (e.g. open_clip:ViT-B-32/laion2b_s34b_b79k), "
    "open_clip:ARCH@/path/to/checkpoint, or open_clip:/folder/with/open_clip_config.json."
)
CONFIG = "open_clip_config.json"
WEIGHTS = ("*.safetensors", "*.bin", "*.pth", "*.pt")


class OpenClipEncoder:
    """An open_clip model behind :class:`~scoring.encoders.base.ImageTextEncoder`.

    Args:
        spec: One of the :data:`FORMS`.
        precision: Of the image tower. ``"auto"`` takes bfloat16 on CUDA, and on processors that
            have it if a fixed probe shows the same ranking as float32. Texts are always float32.
        device: ``"cpu"`` or ``"cuda"``; CUDA where there is one if not given.

    Raises:
        BadInputError: Unknown form or architecture, or missing file. Nothing is loaded yet.
    """

    def __init__(
        self,
        spec: str,
        precision: Literal["auto", "bfloat16", "float32"] = "auto",
        device: str | None = None,
    ) -> None:
        self.name = spec
        self._model_name, self._pretrained, files = parse_spec(spec)
        config = model_config(self._model_name)
        self.dim = int(config["embed_dim"])
        self.batch_size = 32
        self._context = int(config.get("text_cfg", {}).get("context_length", 77))
        self._precision, self._wanted_device = precision, device
        version = importlib.metadata.version("open_clip_torch")
        identity = [spec if not files else self._model_name, version, precision]
        identity += [json.dumps(config, sort_keys=True), *map(file_digest, files)]
        self.key = hashlib.sha256("\n".join(identity).encode()).hexdigest()[:16]
        self.texts_cut = 0
        """Texts so far that were longer than the context and lost their end."""
        self._lock = threading.Lock()
        self._loaded: dict[str, Any] = {}

    @property
    def one_core_passes(self) -> bool:
        """False: most of these models fill all cores by themselves."""
        return False

    def preprocess(self, image: Image) -> torch.Tensor:
        """The model's own validation transform; float32 of shape (3, H, W)."""
        return self._parts()["transform"](image)

    def encode_images(self, pixels: torch.Tensor) -> np.ndarray:
        """(n, 3, H, W) to unit float32 vectors of shape (n, dim)."""
        return self._run_images(pixels, self._parts()["half"])

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Texts to unit float32 vectors of shape (n, dim).

        Texts beyond the context length are cut by the model's tokenizer, as it was trained; they
        are counted in :attr:`texts_cut` and the first is logged. See :meth:`tokens_cut`.
        """
        import numpy as np
        import torch

        parts = self._parts()
        cut = sum(count > 0 for count in self.tokens_cut(texts))
        if cut and not self.texts_cut:
            log.warning("%s reads %d tokens; longer texts lose their end", self.name, self._context)
        self.texts_cut += cut
        rows = []
        for start in range(0, len(texts), self.batch_size):
            tokens = parts["tokenizer"](list(texts[start : start + self.batch_size]))
            with torch.inference_mode():
                vectors = parts["model"].encode_text(tokens.to(parts["device"]))
            rows.append(_unit(vectors))
        return np.concatenate(rows) if rows else np.zeros((0, self.dim), np.float32)

    def tokens_cut(self, texts: Sequence[str]) -> list[int]:
        """For each text, how many of its tokens lie beyond the context length."""
        counts = [0] * len(texts)
        tokenizer = self._parts()["tokenizer"]
        # A token is at least one byte, so that short texts need no counting.
        for row, text in enumerate(texts):
            if (size := len(text.encode()) + 4) > self._context:
                tokens = tokenizer([text, ""], context_length=size)
                length = int((tokens[0] != tokens[1, -1]).nonzero().max()) + 1
                counts[row] = max(0, length - self._context)
        return counts

    def _run_images(self, pixels: torch.Tensor, half: bool) -> np.ndarray:
        import torch

        parts = self._parts()
        x = pixels.to(parts["device"], memory_format=torch.channels_last)
        with (
            torch.inference_mode(),
            torch.autocast(parts["device"], torch.bfloat16, enabled=half),
        ):
            return _unit(parts["model"].encode_image(x))

    def _parts(self) -> dict[str, Any]:
        """Load once, whichever thread comes first."""
        if "half" not in self._loaded:
            with self._lock:
                if "half" not in self._loaded:
                    self._load()
        return self._loaded

    def _load(self) -> None:
        import open_clip
        import torch

        device = self._wanted_device or ("cuda" if torch.cuda.is_available() else "cpu")
        try:
            model, _, transform = open_clip.create_model_and_transforms(
                self._model_name,
                pretrained=self._pretrained,
                device=device,
                require_pretrained=True,
            )
            tokenizer = open_clip.get_tokenizer(self._model_name)
        except (RuntimeError, OSError, ValueError, KeyError) as error:
            lines = str(error).splitlines() or [type(error).__name__]
            message = f"{self.name} could not be loaded: {lines[0][:300]}"
            raise BadInputError(message, "Without a network, give a local checkpoint.") from error
        model = model.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        parts = {"model": model, "transform": transform, "tokenizer": tokenizer, "device": device}
        parts["half"] = self._precision == "bfloat16"
        if self._precision == "auto":
            parts["half"] = bfloat16_keeps_ranking(model.encode_image, transform, device)
        self._loaded = parts


def parse_spec(spec: str) -> tuple[str, str | None, list[Path]]:
    """Split a spec.

    Returns:
        Model name and ``pretrained`` as open_clip takes them, and the local files of weights.

    Raises:
        BadInputError: The form is not known or the files are missing.
    """
    body = spec.removeprefix(PREFIX)
    if not spec.startswith(PREFIX) or not body:
        raise BadInputError(f"{spec!r} is not the spec of an open_clip model.", FORMS)
    arch, at, path = body.partition("@")
    if at:
        file = Path(path).expanduser()
        if not file.is_file():
            raise BadInputError(f"{spec}: there is no checkpoint file {file}.", FORMS)
        return arch, str(file), [file]
    if body.startswith(("/", "./", "../", "~")):
        folder = Path(body).expanduser()
        files = sorted(f for pattern in WEIGHTS for f in folder.glob(pattern))
        if not (folder / CONFIG).is_file() or not files:
            message = f"{spec}: {folder} is not a folder with {CONFIG} and weights."
            raise BadInputError(message, FORMS)
        return f"local-dir:{folder}", None, [folder / CONFIG, *files]
    arch, slash, tag = body.rpartition("/")
    if not slash or not arch or not tag:
        raise BadInputError(f"{spec}: the pretrained tag is missing.", FORMS)
    return arch, tag, []


def model_config(model_name: str) -> dict[str, Any]:
    """The architecture's configuration; read from its file while open_clip is not imported.

    Raises:
        BadInputError: open_clip does not know the architecture.
    """
    if model_name.startswith("local-dir:"):
        path = Path(model_name.removeprefix("local-dir:")) / CONFIG
        stored = json.loads(path.read_text("utf-8"))
        return stored.get("model_cfg", stored)
    found = importlib.util.find_spec("open_clip")
    if found is None or found.origin is None:
        message = "This encoder needs the Python package open_clip_torch."
        raise BadInputError(message, "pip install open_clip_torch")
    shipped = Path(found.origin).parent / "model_configs"
    path = shipped / f"{model_name}.json"
    if "open_clip" not in sys.modules and path.is_file():
        return json.loads(path.read_text("utf-8"))
    import difflib

    import open_clip

    config = open_clip.get_model_config(model_name)
    if config is None:
        near = difflib.get_close_matches(model_name, open_clip.list_models(), 3, 0.4)
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        raise BadInputError(f"open_clip knows no architecture {model_name!r}.", hint + FORMS)
    return config


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unit(vectors: torch.Tensor) -> np.ndarray:
    import torch

    return torch.nn.functional.normalize(vectors.float(), dim=-1).cpu().numpy()
