"""Any open_clip model as an encoder: its own preprocessing, tokenizer and context length.

Source: Ilharco et al., "OpenCLIP" (the Python package ``open_clip_torch``). Only ``encode_image``
and ``encode_text`` are called, so that CLIP, CoCa, SigLIP and custom text towers are all the same;
logit scale and bias are never looked at.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from data_cards.errors import BadInputError
from scoring.encoders.open_clip_spec import (
    CONFIG,
    file_digest,
    model_config,
    parse_spec,
    read_config,
    tag_config,
)
from scoring.encoders.probe import bfloat16_keeps_ranking, has_bfloat16
from scoring.hub_models import HubModel, Permission, fetch, hub_model, only_pickled, permits

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL.Image import Image

log = logging.getLogger(__name__)

_PICKLED = "open_clip_pytorch_model.bin"
_SAFE = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")
_TOKENIZER = ("tokenizer*", "special_tokens_map.json", "vocab*", "merges.txt", "*.model", "*.spm")


class OpenClipEncoder:
    """An open_clip model behind :class:`~scoring.encoders.base.ImageTextEncoder`.

    Args:
        spec: One of the :data:`~scoring.encoders.open_clip_spec.FORMS`.
        precision: Of the image tower. ``"auto"`` takes bfloat16 on CUDA, and on processors that
            have it if a fixed probe shows the same ranking as float32. Texts are always float32.
        device: ``"cpu"`` or ``"cuda"``; CUDA where there is one if not given.
        allow_pickle: Whether hub weights that are only there as pickles may be read, or of which
            models (:func:`scoring.hub_models.permits`).

    Attributes:
        hub: The repository and commit that the weights are from, if they are from the hub.
        words: Those of the tokenizer, where a pretrained tag has it from the hub.

    Raises:
        BadInputError: Unknown form or architecture, a missing file, or the hub says no. No weights
            are loaded yet.
    """

    def __init__(
        self,
        spec: str,
        precision: Literal["auto", "bfloat16", "float32"] = "auto",
        device: str | None = None,
        *,
        allow_pickle: Permission = False,
    ) -> None:
        parsed = parse_spec(spec)
        self._parsed = parsed
        self.hub: HubModel | None = None
        self.words: HubModel | None = None
        self._tag: Mapping[str, Any] = {}
        if parsed.repo is not None:
            self.hub = hub_model(parsed.repo)
            config = read_config(fetch(self.hub, [CONFIG], least=CONFIG) / CONFIG)
        else:
            config = model_config(parsed.model)
            if parsed.tag is not None:
                self._tag = tag_config(parsed)
                repo = str(self._tag.get("hf_hub") or "").rpartition("/")[0]
                if repo:
                    self.hub = hub_model(f"{repo}@{parsed.revision or ''}")
        self._pickle = self.hub is not None and permits(allow_pickle, self.hub)
        self.name = parsed.pinned(self.hub)
        self.dim = int(config["embed_dim"])
        self.batch_size = 32
        self._text = dict(config.get("text_cfg", {}))
        source = str(self._text.get("hf_tokenizer_name") or "")
        if self.hub is not None and parsed.repo is None and source:
            # one from the same repository is taken at the weights' commit
            self.words = self.hub if source == self.hub.repo else hub_model(source, old=True)
        self._context = int(self._text.get("context_length", 77))
        self._precision, self._wanted_device = precision, device
        version = importlib.metadata.version("open_clip_torch")
        identity = [self.name if not parsed.files else parsed.model, version]
        identity += ["whole images", json.dumps(config, sort_keys=True)]
        identity += map(file_digest, parsed.files)
        self._identity = [*identity, *([str(self.words)] if self.words else ())]
        self.texts_cut = 0
        """Texts so far that were longer than the context and lost their end."""
        self._lock = threading.Lock()
        self._loaded: dict[str, Any] = {}

    @cached_property
    def key(self) -> str:
        """16 hexadecimal digits that change with weights, tokenizer and arithmetic.

        Of ``auto`` they tell the kind of device, and whether it has bfloat16. Whether the probe
        then allows it is known only with the weights, and is not among them: it says the same
        wherever weights and kind of device are the same.
        """
        identity = [*self._identity, self._arithmetic]
        return hashlib.sha256("\n".join(identity).encode()).hexdigest()[:16]

    @property
    def _arithmetic(self) -> str:
        if self._precision != "auto":
            return self._precision
        kind = self._device.partition(":")[0]
        return f"{kind}, bfloat16 if probed" if has_bfloat16(self._device) else "float32"

    @cached_property
    def _device(self) -> str:
        import torch

        return self._wanted_device or ("cuda" if torch.cuda.is_available() else "cpu")

    @property
    def one_core_passes(self) -> bool:
        """False: most of these models fill all cores by themselves."""
        return False

    @property
    def whole_images(self) -> bool:
        """True: the model's own transform is to see what it would see without us."""
        return True

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

        device = self._device
        model_name, pretrained, preprocessing = self._what_to_load()
        try:
            model, _, transform = open_clip.create_model_and_transforms(
                model_name,
                pretrained=pretrained,
                device=device,
                require_pretrained=True,
                **preprocessing,
            )
            tokenizer = self._make_tokenizer(model_name)
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

    def _what_to_load(self) -> tuple[str, str | None, dict[str, Any]]:
        """Model name, weights and preprocessing as open_clip takes them; downloads what lacks."""
        parsed = self._parsed
        if self.hub is None:
            return parsed.model, parsed.pretrained, {}
        named = str(self._tag.get("hf_hub") or "").rpartition("/")[2] or _PICKLED
        safe = dict.fromkeys([*_SAFE, f"{Path(named).stem}.safetensors"])
        rest = [CONFIG, "config.json", *_TOKENIZER] if parsed.repo is not None else []
        folder = fetch(self.hub, [*safe, *rest])
        weights = next((folder / name for name in safe if (folder / name).is_file()), None)
        if weights is None:
            if not self._pickle:
                raise only_pickled(self.hub.repo)
            weights = fetch(self.hub, [named, *rest], least=named) / named
        if parsed.repo is not None:
            return f"local-dir:{folder}", None, {}
        names = ("mean", "std", "interpolation", "resize_mode")
        given = {f"image_{name}": self._tag[name] for name in names if self._tag.get(name)}
        return parsed.model, str(weights), given

    def _make_tokenizer(self, model_name: str) -> Any:
        """The model's tokenizer; one from the hub at the commit that is part of the key."""
        import open_clip

        if self.words is None:
            return open_clip.get_tokenizer(model_name)
        return open_clip.tokenizer.HFTokenizer(
            str(fetch(self.words, [*_TOKENIZER, "config.json"])),
            context_length=self._context,
            tokenizer_mode=self._text.get("tokenizer_mode"),
            **self._text.get("tokenizer_kwargs", {}),
        )


def _unit(vectors: torch.Tensor) -> np.ndarray:
    import torch

    return torch.nn.functional.normalize(vectors.float(), dim=-1).cpu().numpy()
