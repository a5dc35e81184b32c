"""Prompts that were read for scoring, kept until answers are generated after them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_LIMIT = 512 * 2**20
"""Bytes that are kept; what is beyond is read a second time."""


@dataclass(frozen=True, slots=True)
class Read:
    """Keys and values of one prompt: per layer two tensors of (heads, tokens, width)."""

    layers: tuple[tuple[Any, Any], ...]


class Kept:
    """Read prompts by name.

    Args:
        limit: Bytes.
    """

    def __init__(self, limit: int = _LIMIT) -> None:
        self.limit = limit
        self._reads: dict[bytes, Read] = {}
        self._bytes = 0

    def put(self, key: bytes, cache: Any, row: int, tokens: int) -> None:
        """Keep one row of a cache; not if it is of a special kind, or there is no room.

        Args:
            key: Names the prompt.
            cache: The model's, of prompts padded on the left.
            row: In the batch.
            tokens: Of the prompt.
        """
        from transformers.cache_utils import DynamicLayer

        if any(type(layer) is not DynamicLayer for layer in cache.layers):
            return
        size = sum(2 * layer.keys[row].nbytes for layer in cache.layers)
        if self._bytes + size > self.limit:
            return
        self._bytes += size
        self._reads[key] = Read(
            tuple(
                (layer.keys[row, :, -tokens:].clone(), layer.values[row, :, -tokens:].clone())
                for layer in cache.layers
            )
        )

    def take_all(self) -> dict[bytes, Read]:
        """Everything that was kept; nothing is kept any longer."""
        reads, self._reads, self._bytes = self._reads, {}, 0
        return reads


def join(reads: Sequence[Read]) -> Any:
    """A cache of these prompts, padded on the left, without each one's last token.

    The last token is left out because the model must read something to say what comes next.
    """
    from torch import stack
    from torch.nn.functional import pad
    from transformers import DynamicCache

    width = max(read.layers[0][0].shape[1] for read in reads)
    cache = DynamicCache()
    for layer, sides in enumerate(zip(*(read.layers for read in reads), strict=True)):
        keys, values = (
            stack([pad(part, (0, 0, width - part.shape[1], 0))[:, :-1] for part in parts])
            for parts in zip(*sides, strict=True)
        )
        cache.update(keys, values, layer)
    return cache
