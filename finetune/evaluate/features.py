"""Vision features: each image goes through the vision tower once, whatever is asked about it."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

_KNOWN = ("last_hidden_state", "pooler_output", "hidden_states", "attentions")


class ImageFeatures:
    """The image inputs of batches, with features kept between them where the model allows it.

    transformers models take ready features as ``mm_encoder_outputs``. A model that does not, or
    whose features are more than one set of tokens per image, is given pixels.

    Args:
        model: The vision-language model.
        limit: Bytes of features that are kept.
    """

    def __init__(self, model: Any, limit: int = 256 * 2**20) -> None:
        self.model = model
        self.limit = limit
        self.computed = 0
        self.reusable = hasattr(model, "get_image_features") and (
            "mm_encoder_outputs" in inspect.signature(model.forward).parameters
        )
        self._kept: OrderedDict[bytes, Any] = OrderedDict()
        self._bytes = 0

    def see(self, key: bytes, vision: Mapping[str, Any]) -> Mapping[str, Any]:
        """Replace an image's pixels by its features.

        Args:
            key: Names the images of one prompt.
            vision: The processor's tensors for them.

        Returns:
            What :meth:`inputs` takes; ``vision`` itself where features cannot be reused.
        """
        if not vision or not self.reusable:
            return vision
        if key not in self._kept:
            features = self._compute(vision)
            if features is None:
                self.reusable = False
                return vision
            self._kept[key] = features
            self._bytes += _size(features)
            while self._bytes > self.limit and len(self._kept) > 1:
                self._bytes -= _size(self._kept.popitem(last=False)[1])
        self._kept.move_to_end(key)
        others = {name: value for name, value in vision.items() if not name.startswith("pixel")}
        return {**others, "features": self._kept[key]}

    def inputs(self, visions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Keyword arguments of the model for the prompts of one batch, in their order."""
        import torch

        device = self.model.device
        seeing = [vision for vision in visions if vision]
        if not seeing:
            return {}
        joined: dict[str, Any] = {
            name: torch.cat([vision[name] for vision in seeing]).to(device)
            for name in seeing[0]
            if name != "features"
        }
        if "features" not in seeing[0]:
            return {name: _as(self.model, value) for name, value in joined.items()}
        from transformers.modeling_outputs import BaseModelOutputWithPooling

        parts = [vision["features"] for vision in seeing]
        if isinstance(parts[0], torch.Tensor):
            tokens: Any = torch.cat(parts)
        else:
            tokens = [image for images in parts for image in images]
        joined["mm_encoder_outputs"] = {"image": BaseModelOutputWithPooling(pooler_output=tokens)}
        return joined

    def _compute(self, vision: Mapping[str, Any]) -> Any:
        """Tokens of the images of one prompt, or ``None`` where they are not all there is."""
        import torch

        takes = inspect.signature(self.model.get_image_features).parameters
        device = self.model.device
        given = {
            name: _as(self.model, value.to(device))
            for name, value in vision.items()
            if name in takes
        }
        with torch.inference_mode():
            made = self.model.get_image_features(**given, return_dict=True)
        self.computed += 1
        extra = [name for name, value in made.items() if name not in _KNOWN and value is not None]
        tokens = made.get("pooler_output")
        if extra or tokens is None:
            return None
        return tokens if isinstance(tokens, torch.Tensor) else list(tokens)


def _as(model: Any, value: Any) -> Any:
    """Pixels in the model's precision; everything else as it is."""
    return value.to(model.dtype) if value.is_floating_point() else value


def _size(features: Any) -> int:
    parts = features if isinstance(features, list) else [features]
    return sum(part.numel() * part.element_size() for part in parts)
