"""Any image model of transformers as an encoder, with its own image processor.

Which vector stands for a picture:

1. ``get_image_features``, where the model has it (CLIP, SigLIP and their like): the projected one,
   which texts are compared with.
2. Else ``pooler_output`` (DINOv2, DINOv3: the class token after the last norm; CLIP's vision tower
   alone; the pooled map of ResNet, ConvNeXt, Swin), flat.
3. Where there is none, or a dense layer makes it (ViT, DeiT: most checkpoints leave that layer
   untrained): the class token of the last layer, or the mean over all places if there is none
   (I-JEPA).
"""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from scoring.encoders.image_tower import ImageTower, Loaded, Precision, one_each
from scoring.encoders.open_clip_spec import file_digest
from scoring.encoders.probe import probe_pictures
from scoring.hub_models import (
    CODE,
    SMALL,
    HubModel,
    Permission,
    fetch,
    fetch_weights,
    hub_model,
    only_pickled,
    permits,
)
from scoring.transformers_language_model import folder_hash, loading

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL.Image import Image

PREFIX = "hf-image:"
FORMS = "Write hf-image:owner/name[@revision], or hf-image:/folder/of/the/model."
VERSION = "1"
"""Counted up when the rule for the vector changes, so that stored vectors are not mixed."""
_CLASS_TOKENS = ("cls_token", "class_embedding")


class TransformersImages:
    """A model of transformers behind :class:`~scoring.encoders.base.ImageEncoder`.

    A vector moves with its batch by less than 1e-5 in float32, by less than 1e-2 in bfloat16.

    Args:
        spec: ``hf-image:`` and a name on the hub (``@revision`` allowed) or a local folder.
        precision: ``"auto"`` takes bfloat16 where the hardware has it, if a fixed probe shows the
            same ranking as float32.
        device: ``"cpu"`` or ``"cuda"``; CUDA where there is one if not given.
        allow_pickle: Whether weights that are only there as pickles may be read, or of which
            models (:func:`scoring.hub_models.permits`).
        trust_remote_code: Whether code of the repository may run, likewise.

    Attributes:
        hub: The repository and commit that the weights are from, if they are from the hub.

    Raises:
        BadInputError: The form is not known, the folder is not there or holds pickles only, or the
            hub says no. No weights are loaded yet.
    """

    def __init__(
        self,
        spec: str,
        precision: Precision = "auto",
        device: str | None = None,
        *,
        allow_pickle: Permission = False,
        trust_remote_code: Permission = False,
    ) -> None:
        body = spec.removeprefix(PREFIX)
        if not spec.startswith(PREFIX) or not body:
            raise BadInputError(f"{spec!r} is not the spec of an image model.", FORMS)
        self.hub: HubModel | None = None
        self._local: Path | None = None
        if body.startswith(("/", "./", "../", "~")):
            self._local = Path(body).expanduser()
            if not (self._local / "config.json").is_file():
                raise BadInputError(f"{spec}: {self._local} holds no config.json.", FORMS)
            self.name = f"{PREFIX}{self._local.absolute()}"
        else:
            self.hub = hub_model(body)
            self.name = f"{PREFIX}{self.hub}"
        asked = self.hub or self._local
        assert asked is not None
        self._pickle, self._code = permits(allow_pickle, asked), permits(trust_remote_code, asked)
        if self._local and not self._pickle and not any(self._local.glob("*.safetensors")):
            raise only_pickled(body)
        self.batch_size = 32
        self._tower = ImageTower(self.name, self._load, precision, device)

    @cached_property
    def key(self) -> str:
        """16 hexadecimal digits that change with weights, preprocessing, version and arithmetic."""
        identity = str(self.hub) if self.hub else folder_hash(self._small)
        if self._local and self._code:  # which the hash of a folder leaves out
            identity += "".join(file_digest(path) for path in sorted(self._local.glob("*.py")))
        version = importlib.metadata.version("transformers")
        parts = ("hf-image", VERSION, version, identity, self._tower.arithmetic)
        return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:16]

    @cached_property
    def dim(self) -> int:
        """Length of the vectors; asked of the model without its weights, if that can be made."""
        import torch
        from transformers import AutoModel

        with self._saying():
            try:
                with torch.device("meta"):
                    model = AutoModel.from_config(
                        self._config, dtype=torch.float32, trust_remote_code=self._code
                    )
                return self._ask(vector_of(model.eval()), "meta")
            except RuntimeError:  # it computes while it is made, or on data
                return self._ask(self._tower.encode, "cpu")

    @property
    def one_core_passes(self) -> bool:
        """False: most of these models fill all cores by themselves."""
        return False

    @property
    def whole_images(self) -> bool:
        """True: the model's own processor is to see what it would see without us."""
        return True

    def preprocess(self, image: Image) -> torch.Tensor:
        """The model's own image processor; float32 of shape (3, H, W)."""
        return self._tower.preprocess(image)

    def encode_images(self, pixels: torch.Tensor) -> np.ndarray:
        """(n, 3, H, W) to unit float32 vectors of shape (n, dim)."""
        return self._tower.encode(pixels)

    def _ask(self, encode: Callable[[Any], Any], device: str) -> int:
        import torch

        pixels = torch.zeros(1, *self._processed[1], device=device)
        with torch.inference_mode():
            return int(one_each(self.name, encode(pixels)).shape[1])

    @cached_property
    def _small(self) -> Path:
        """Configuration without weights, where these are still on the hub."""
        if self._local is not None:
            return self._local
        assert self.hub is not None
        names = [*SMALL, *(CODE if self._code else ())]
        return fetch(self.hub, names, least="config.json")

    @cached_property
    def _config(self) -> Any:
        from transformers import AutoConfig

        folder = self._small
        with self._saying():
            return AutoConfig.from_pretrained(folder, **self._given)

    @cached_property
    def _processed(self) -> tuple[Callable[[Image], torch.Tensor], tuple[int, ...]]:
        """The processor, and the shape that it gives every picture."""
        from PIL import Image as Pillow
        from transformers import AutoImageProcessor

        folder = self._small
        with self._saying():
            processor = AutoImageProcessor.from_pretrained(folder, **self._given)

        def transform(image: Image) -> torch.Tensor:
            return processor(images=image, return_tensors="pt")["pixel_values"][0]

        with self._saying():
            tall, wide = (transform(Pillow.new("RGB", size)).shape for size in ((48, 96), (96, 48)))
        if tall != wide or len(tall) != 3 or tall[0] != 3:
            raise BadInputError(
                f"{self.name} does not bring every picture to one shape ({tuple(tall)} of a tall "
                f"one, {tuple(wide)} of a wide one).",
                "Name a model with a fixed input size.",
            )
        return transform, tuple(tall)

    def _load(self, device: str) -> Loaded:
        import torch
        from transformers import AutoModel

        transform = self._processed[0]
        folder = self._local
        if folder is None:
            assert self.hub is not None
            folder = fetch_weights(self.hub, pickled=self._pickle, code=self._code)
        with self._saying():
            model, about = AutoModel.from_pretrained(
                folder,
                dtype=torch.float32,
                use_safetensors=None if self._pickle else True,
                output_loading_info=True,
                **self._given,
            )
        unread = "pooler." if _dense_pooler(model) else "\x00"
        missing = sorted(name for name in about["missing_keys"] if not name.startswith(unread))
        if missing:
            raise BadInputError(
                f"{self.name} has no weights for {missing[0]}.", "Name a model that is whole."
            )
        model = model.eval().requires_grad_(False)
        encode = vector_of(model.to(device, memory_format=torch.channels_last))
        pixels = transform(probe_pictures(1)[0])[None].to(device)
        with self._saying(), torch.inference_mode():
            first, again = (one_each(self.name, encode(pixels)) for _ in range(2))
        if not torch.allclose(first, again, rtol=1e-3, atol=1e-5):
            raise BadInputError(
                f"{self.name} gives the same picture another vector each time.",
                "Masked autoencoders do so here: name a model that sees whole pictures.",
            )
        return Loaded(encode, transform)

    @property
    def _given(self) -> dict[str, Any]:
        return {"local_files_only": True, "trust_remote_code": self._code}

    def _saying(self) -> Any:
        return loading(self.name, FORMS, self.hub.repo if self.hub else str(self._local))


def vector_of(model: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    """The function that gives a model's vectors, by the rule at the head of this file.

    Args:
        model: Of transformers; a 3-d last layer is (n, tokens, dim), a 4-d one (n, dim, H, W).
    """
    features = getattr(model, "get_image_features", None)
    dense = _dense_pooler(model)
    parameters = [name for name, _ in model.named_parameters()]
    has_class_token = any(name.endswith(_CLASS_TOKENS) for name in parameters)

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        if features is not None:
            found = features(pixel_values=pixels)
            return getattr(found, "pooler_output", found)
        output = model(pixel_values=pixels)
        pooled = None if dense else getattr(output, "pooler_output", None)
        if pooled is not None:
            return pooled.flatten(1) if pooled.shape[2:].numel() == 1 else pooled
        last = output.last_hidden_state
        if last.ndim == 4:
            return last.mean((2, 3))
        return last[:, 0] if has_class_token else last.mean(1)

    return encode


def _dense_pooler(model: Any) -> bool:
    """Whether a dense layer of its own makes the pooled vector, as in BERT."""
    import torch

    pooler = getattr(model, "pooler", None)
    return isinstance(pooler, torch.nn.Module) and any(
        isinstance(part, torch.nn.Linear) for part in pooler.modules()
    )
