"""Vision features, computed once per image and fed to the model in place of its pixels.

What is kept is what the projector is given: all that a frozen tower and the model's own selection
of its features come to. In training, ``pixel_values`` holds these stored features, and the model's
``get_image_features`` is replaced by its projector alone. Whether that is the same is not taken on
trust from the model's name: the projector's output is compared with what the model goes on with,
a first batch's loss with the loss from pixels, and stored features with fresh ones; where they
differ, the cache is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from data_cards.errors import BadInputError
from finetune.data import Prepared
from finetune.feature_store import append, dtype_name, open_store, take, to_bytes
from finetune.trainable import find_language_model, find_projectors

LAYOUT = 1
"""Counted up when what is stored changes."""

_TOLERANCE = 1e-3
"""Largest difference of a batch's losses from pixels and from its features, in nats per token."""

_NOISE = {"float32": 1e-3, "float16": 1e-2, "bfloat16": 1e-1}
"""Largest difference of stored from fresh features, as a share of the largest feature: sums are
rounded differently in batches of another size."""

_OWN_GEOMETRY = ("image_grid_thw", "image_sizes", "image_position_ids", "spatial_shapes")
"""Inputs with which a model places image tokens by itself; then features alone do not suffice."""

_PARTS = 64


class _SeenError(Exception):
    """Ends a forward pass once the image features are there."""


class FeatureCache:
    """The features of one model under one precision.

    Args:
        model: A vision-language model with frozen vision tower, on its device.
        processor: Its processor; its picture settings belong to the features' identity.
        collate: Makes a batch with pixels of rows.
        folder: Where the features of all models are kept.
        bf16: Whether the tower runs under bfloat16 autocast, as in training.

    Raises:
        BadInputError: The model's vision part is not of the kind that can be cached.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        collate: Callable[[Sequence[Prepared]], Mapping[str, Any]],
        folder: Path,
        *,
        bf16: bool,
    ) -> None:
        self.model, self.collate, self.bf16 = model, collate, bf16
        projectors = find_projectors(model)
        self.projector_name, self.projector = next(iter(projectors.items()))
        self.owner = _owner(model, self.projector)
        if len(projectors) != 1 or self.owner is None:
            raise _refusal(model, "it has no single projector behind get_image_features")
        self.as_list = self.columns_first = False
        self.store = open_store(folder / f"vision-features-{self._identity(processor)}")
        self._token = image_token(model)

    def fill(
        self,
        rows: Sequence[Prepared],
        *,
        share: tuple[int, int] = (0, 1),
        batch_size: int = 16,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> int:
        """Compute the features of all rows that are not stored yet.

        Args:
            rows: With images.
            share: Of several processes, which this is and how many there are: each computes a
                part; the others' parts are seen by a cache opened later.
            batch_size: Rows in one pass of the tower, always full. Where it is that of the
                training, features come out bit for bit as they would from pixels.
            on_progress: Called with done and total.

        Returns:
            For how many rows they were computed.

        Raises:
            BadInputError: The model arranges its features in a way that cannot be stored.
        """
        wanted = {row.image_key: row for row in rows if row.images}
        mine = list(wanted)[share[0] :: share[1]]  # of all, since the store grows meanwhile
        missing = self.store.missing(mine)
        done, waiting = 0, list[tuple[bytes, Any]]()
        for start in range(0, len(missing), batch_size):
            keys = missing[start : start + batch_size]
            full = (keys * batch_size)[:batch_size]
            made = self._compute([wanted[key] for key in full])
            waiting += zip(keys, made[: len(keys)], strict=True)
            done += len(keys)
            if len(waiting) >= _PARTS or done == len(missing):
                append(self.store, waiting)
                waiting = []
            on_progress(done, len(missing))
        return done

    def vision(self, rows: Sequence[Prepared]) -> dict[str, Any]:
        """Stored features of rows with images, as ``pixel_values``, in their order."""
        import torch

        return {"pixel_values": torch.cat(take(self.store, [row.image_key for row in rows]))}

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within it, the model takes ``pixel_values`` for features."""
        from transformers.modeling_outputs import BaseModelOutputWithPooling

        def project(pixel_values: Any, *_: Any, **__: Any) -> Any:
            if self.columns_first:  # kernels round differently by the layout in memory
                pixel_values = pixel_values.transpose(1, 2).contiguous().transpose(1, 2)
            tokens = self.projector(pixel_values)
            if self.as_list:
                tokens = [tokens.reshape(-1, tokens.shape[-1])]
            return BaseModelOutputWithPooling(pooler_output=tokens)

        self.owner.get_image_features = project
        try:
            yield
        finally:
            del self.owner.get_image_features

    def verify(self, rows: Sequence[Prepared]) -> float:
        """Compare a batch's loss from pixels with that from features, and stored with fresh ones.

        Args:
            rows: With images; as many as in a batch of the training.

        Returns:
            The difference of the losses, in nats per token.

        Raises:
            BadInputError: They differ, or the model fails on features.
        """
        import torch

        fresh = torch.cat(self._compute(rows))
        stored = self.vision(rows)["pixel_values"]
        pixels = self.collate(rows)
        features = {k: v for k, v in pixels.items() if v.shape == pixels["input_ids"].shape}
        features["pixel_values"] = fresh
        with torch.no_grad():
            before = self._loss(pixels)
            try:
                with self.in_place():
                    after = self._loss(features)
            except (ValueError, RuntimeError, TypeError, AttributeError) as error:
                raise _refusal(self.model, f"it fails on features ({error})") from error
        if not abs(after - before) <= _TOLERANCE:
            why = f"its loss is {before:.5f} from pixels, {after:.5f} from features"
            raise _refusal(self.model, why)
        if stored.shape != fresh.shape or stored.dtype != fresh.dtype:
            raise _refusal(self.model, "stored features have another form than fresh ones")
        most = float(fresh.abs().max())
        off = float((stored.float() - fresh.float()).abs().max())
        if not off <= _NOISE["bfloat16" if self.bf16 else dtype_name(fresh)] * most:
            why = f"stored features are off by {off:.2g} where the largest is {most:.2g}"
            raise _refusal(self.model, why)
        return abs(after - before)

    def _loss(self, batch: Mapping[str, Any]) -> float:
        import torch

        device = self.model.device
        inputs = {name: value.to(device) for name, value in batch.items()}
        with torch.autocast(device.type, torch.bfloat16, enabled=self.bf16):
            logits = self.model(**{k: v for k, v in inputs.items() if k != "labels"}).logits
        targets = inputs["labels"][:, 1:]
        counted = targets != -100
        loss = torch.nn.functional.cross_entropy(logits[:, :-1][counted].float(), targets[counted])
        return float(loss)

    def _compute(self, rows: Sequence[Prepared]) -> list[Any]:
        """What the projector is given, cut into one tensor per row."""
        import torch

        batch = self.collate(rows)
        own = [name for name in _OWN_GEOMETRY if name in batch]
        if own:
            raise _refusal(self.model, f"it places image tokens by {own[0]}")
        device = self.model.device
        seen: dict[str, Any] = {}
        real = self.owner.get_image_features

        def watch(*args: Any, **kwargs: Any) -> Any:
            seen["made"] = real(*args, **kwargs)
            raise _SeenError

        def keep(module: Any, args: Any, output: Any) -> None:
            seen["given"], seen["output"] = args, output

        hook = self.projector.register_forward_hook(keep)
        self.owner.get_image_features = watch
        try:
            with (
                torch.no_grad(),
                torch.autocast(device.type, torch.bfloat16, enabled=self.bf16),
            ):
                self.model(**{k: v.to(device) for k, v in batch.items() if k != "labels"})
        except _SeenError:
            pass
        finally:
            hook.remove()
            del self.owner.get_image_features
        return self._divided(rows, seen)

    def _divided(self, rows: Sequence[Prepared], seen: Mapping[str, Any]) -> list[Any]:
        import torch

        made = getattr(seen.get("made"), "pooler_output", None)
        if made is None or len(seen.get("given", ())) != 1:
            raise _refusal(self.model, "its projector is not a function of one tensor")
        self.as_list = not isinstance(made, torch.Tensor)
        given, output = seen["given"][0], seen["output"]
        self.columns_first = given.dim() == 3 and given.stride(1) == 1 < given.stride(2)
        width = output.shape[-1]
        flat = torch.cat([m.reshape(-1, width) for m in made]) if self.as_list else made
        if flat.numel() != output.numel() or not torch.equal(
            flat.reshape(-1, width), output.reshape(-1, width)
        ):
            raise _refusal(self.model, "it rearranges image tokens behind its projector")
        counts = [row.input_ids.count(self._token) for row in rows]
        tokens = output.numel() // width // len(given)
        sizes = [count // tokens for count in counts]
        if [size * tokens for size in sizes] != counts or sum(sizes) != len(given):
            raise _refusal(self.model, "its features cannot be told apart by image")
        return [part.cpu().contiguous() for part in given.split(sizes)]

    def _identity(self, processor: Any) -> str:
        """Hash of the tower's weights, the picture settings and the precision."""
        language = find_language_model(self.model)[0]
        digest = hashlib.sha256()
        for name, value in self.model.state_dict().items():
            if not name.startswith((f"{language}.", f"{self.projector_name}.", "lm_head.")):
                digest.update(name.encode())
                digest.update(to_bytes(value))
        pictures = processor.image_processor.to_json_string()
        parts = (LAYOUT, self.bf16, pictures, self.model.config.to_json_string())
        digest.update(repr(parts).encode())
        return digest.hexdigest()[:16]


def _owner(model: Any, projector: Any) -> Any:
    """The innermost module around the projector with ``get_image_features``."""
    owners = [
        module
        for module in model.modules()
        if hasattr(module, "get_image_features") and any(m is projector for m in module.modules())
    ]
    return owners[-1] if owners else None


def image_token(model: Any) -> int:
    """Id of the token that stands in a prompt for one row of image features."""
    config = model.config
    token = getattr(config, "image_token_id", None)
    return int(token if token is not None else config.image_token_index)


def _refusal(model: Any, why: str) -> BadInputError:
    return BadInputError(
        f"The vision features of {type(model).__name__} cannot be computed ahead: {why}.",
        "Leave out --cache-features.",
    )
