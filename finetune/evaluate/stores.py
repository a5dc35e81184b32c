"""Where a model's numbers are kept between runs, by the content of what it was asked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from finetune.data import MAX_LENGTH
from finetune.evaluate.plan import Options
from scoring.store import KeyedStore

if TYPE_CHECKING:
    from finetune.models.load import LoadedVlm

VERSION = 2
"""Counted up when a stored number would come out differently."""
LIKELIHOODS = pa.schema(
    {
        "total": pa.float64(),
        "tokens": pa.int32(),
        "end_total": pa.float64(),
        "end_tokens": pa.int32(),
        "error": pa.string(),
    }
)
OUTPUTS = pa.schema(
    {"text": pa.string(), "tokens": pa.int32(), "finished": pa.bool_(), "error": pa.string()}
)


@dataclass(frozen=True, slots=True)
class Stores:
    """What one model said before, by the content of what it was asked."""

    likelihoods: KeyedStore
    outputs: KeyedStore


def open_stores(cache: Path, vlm: LoadedVlm, options: Options) -> Stores:
    """The stores of one model, precision and set of limits.

    Args:
        cache: Folder with all stores.
        vlm: The model.
        options: Limits.
    """
    precision = str(vlm.model.dtype)
    limit = longest(vlm.model, options)

    def folder(kind: str, *parts: object) -> Path:
        identity = repr((VERSION, vlm.key, precision, limit, *parts))
        return cache / f"{kind}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"

    return Stores(
        KeyedStore(folder("evaluate-likelihood"), LIKELIHOODS),
        KeyedStore(folder("evaluate-outputs", options.max_new_tokens), OUTPUTS),
    )


def longest(model: Any, options: Options) -> int:
    """The longest sequence in tokens that is scored."""
    made_for = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    asked = options.max_tokens or MAX_LENGTH
    return min(asked, made_for) if made_for else asked
