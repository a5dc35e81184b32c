"""Any image model of timm as an encoder: its pooled features and its own preprocessing.

Source: Wightman, "PyTorch Image Models" (the Python package ``timm``). The vector is what the model
gives when it is made with ``num_classes=0``: what its classifier would read.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from scoring.encoders.image_tower import ImageTower, Loaded, Precision, one_each
from scoring.encoders.open_clip_spec import file_digest
from scoring.encoders.timm_spec import (
    CONFIG,
    FORMS,
    parse_spec,
    registered,
    repository,
    safe_names,
)
from scoring.hub_models import HubModel, Permission, fetch, hub_model, only_pickled, permits

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL.Image import Image

_TRAINING_HEADS = ("projection_head.", "prototypes")
"""Of SwAV's published checkpoints: beside the trunk, and no part of the features."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is known of a model without its weights: preprocessing and length of the vectors."""

    transform: dict[str, Any]
    dim: int


class TimmImages:
    """A model of timm behind :class:`~scoring.encoders.base.ImageEncoder`.

    A vector moves with its batch by less than 1e-5 in float32, by less than 1e-2 in bfloat16.

    Args:
        spec: One of the :data:`~scoring.encoders.timm_spec.FORMS`.
        precision: ``"auto"`` takes bfloat16 where the hardware has it, if a fixed probe shows the
            same ranking as float32.
        device: ``"cpu"`` or ``"cuda"``; CUDA where there is one if not given.
        allow_pickle: Whether weights that are only there as pickles may be read, or of which
            models (:func:`scoring.hub_models.permits`); a local one by its path. Even then they
            are read with ``weights_only``.

    Attributes:
        hub: The repository and commit that the weights are from, if they are from the hub.

    Raises:
        BadInputError: Unknown form, name or tag, a missing file, a pickle that is not allowed, or
            the hub says no. No weights are loaded yet.
    """

    def __init__(
        self,
        spec: str,
        precision: Precision = "auto",
        device: str | None = None,
        *,
        allow_pickle: Permission = False,
    ) -> None:
        parsed = parse_spec(spec)
        self._parsed = parsed
        self.hub: HubModel | None = None
        self._named: str | None = None
        self._model_name = parsed.model
        if parsed.repo is not None:
            self.hub = hub_model(parsed.repo)
            fetch(self.hub, [CONFIG], least=CONFIG)
        elif parsed.folder is None:
            self._model_name, about = registered(parsed.model)
            if parsed.weights is None:
                self.hub = hub_model(repository(self._model_name, about, parsed.revision))
                self._named = about.hf_hub_filename
        asked = self.hub or parsed.asked
        assert asked is not None
        self._pickle = permits(allow_pickle, asked)
        if parsed.weights and parsed.weights.suffix != ".safetensors" and not self._pickle:
            raise only_pickled(str(parsed.asked))
        self.name = parsed.pinned(self._model_name, self.hub)
        self.batch_size = 32
        self._tower = ImageTower(self.name, self._load, precision, device)

    @cached_property
    def key(self) -> str:
        """16 hexadecimal digits that change with weights, preprocessing, timm and arithmetic.

        Local files count by their content, the hub's by their commit.
        """
        files = [path for path in (self._config, self._parsed.weights) if path is not None]
        identity = ["timm", importlib.metadata.version("timm")]
        identity += [str(self.hub)] if self.hub else map(file_digest, files)
        identity += [] if self._config else [self._model_name]
        identity += [json.dumps(self._plan.transform, sort_keys=True), self._tower.arithmetic]
        return hashlib.sha256("\n".join(identity).encode()).hexdigest()[:16]

    @property
    def dim(self) -> int:
        """Length of the pooled features."""
        return self._plan.dim

    @property
    def one_core_passes(self) -> bool:
        """False: most of these models fill all cores by themselves."""
        return False

    @property
    def whole_images(self) -> bool:
        """True: the model's own transform is to see what it would see without us."""
        return True

    def preprocess(self, image: Image) -> torch.Tensor:
        """The model's own evaluation transform; float32 of shape (3, H, W)."""
        return self._tower.preprocess(image)

    def encode_images(self, pixels: torch.Tensor) -> np.ndarray:
        """(n, 3, H, W) to unit float32 vectors of shape (n, dim)."""
        return self._tower.encode(pixels)

    @property
    def _config(self) -> Path | None:
        return self._parsed.folder / CONFIG if self._parsed.folder else None

    @cached_property
    def _source(self) -> str:
        """What timm makes the model from: a name, or a folder with its configuration."""
        if self._parsed.repo is None or self.hub is None:
            return self._model_name
        return f"local-dir:{fetch(self.hub, [CONFIG], least=CONFIG)}"

    @cached_property
    def _plan(self) -> _Plan:
        """Ask the model without its weights; where it can be had as mere shapes, as those."""
        import timm
        import torch

        with self._saying():
            try:
                with torch.device("meta"):
                    return self._ask(timm.create_model(self._source, num_classes=0), "meta")
            except RuntimeError:  # it computes while it is made
                return self._ask(timm.create_model(self._source, num_classes=0), "cpu")

    def _ask(self, model: Any, device: str) -> _Plan:
        import timm
        import torch

        transform = timm.data.resolve_model_data_config(model)
        if transform["input_size"][0] != 3:
            raise BadInputError(f"{self.name} does not read RGB pictures.", "Name one that does.")
        with torch.inference_mode():
            vectors = model.eval()(torch.zeros(1, *transform["input_size"], device=device))
        return _Plan(transform, one_each(self.name, vectors).shape[1])

    def _load(self, device: str) -> Loaded:
        """The model with its own number of classes, which timm loads strictly, then without.

        Made with ``num_classes=0`` at once, timm would also take a checkpoint that lacks layers.
        """
        import timm
        import torch

        file = self._weights()
        with self._saying():
            model: Any = timm.create_model(self._source, pretrained=True, **self._given(file))
            model.pretrained_cfg.pop("state_dict", None)
            if model.num_classes:
                model.reset_classifier(0)
        transform = timm.data.create_transform(**self._plan.transform, is_training=False)
        model = model.eval().requires_grad_(False)
        return Loaded(model.to(device, memory_format=torch.channels_last), transform)

    def _weights(self) -> Path:
        """The file of weights, fetched if it is the hub's."""
        if self._parsed.weights is not None:
            return self._parsed.weights
        assert self.hub is not None
        names = safe_names(self._named)
        folder = fetch(self.hub, names)
        found = next((folder / name for name in names if (folder / name).is_file()), None)
        if found is None:
            if not self._pickle:
                raise only_pickled(self.hub.repo)
            named = self._named or "pytorch_model.bin"
            found = fetch(self.hub, [named], least=named) / named
        return found

    def _given(self, file: Path) -> dict[str, Any]:
        """What timm is told of the weights: that they are this file and no other place's."""
        if self._parsed.weights is None or self._parsed.folder is not None:
            from_file = {"source": "", "file": str(file), "state_dict": None}
            return {"pretrained_cfg_overlay": from_file}
        # a bare checkpoint may have another number of classes than the name's own weights, or none
        from timm.models import load_state_dict

        state = {
            name: value
            for name, value in load_state_dict(str(file)).items()
            if not name.startswith(_TRAINING_HEADS)
        }
        heads = registered(self._model_name)[1].classifier
        heads = (heads,) if isinstance(heads, str) else heads or ()
        sizes = [len(state[f"{head}.weight"]) for head in heads if f"{head}.weight" in state]
        classes = sizes[0] if sizes else 0
        told = {"state_dict": state, "num_classes": classes, "label_offset": None}
        return {"num_classes": classes, "pretrained_cfg_overlay": told}

    @contextlib.contextmanager
    def _saying(self) -> Iterator[None]:
        """What goes wrong in timm, in one line."""
        try:
            yield
        except BadInputError:
            raise
        except Exception as error:  # timm asserts, looks up and unpacks what a stranger wrote
            said = " ".join(str(error).split())[:300] or type(error).__name__
            raise BadInputError(f"{self.name} could not be loaded: {said}", FORMS) from error
