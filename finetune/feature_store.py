"""Tensors on disk by key, each in its own shape and precision."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scoring.store import KeyedStore


def open_store(folder: Path) -> KeyedStore:
    """A store of tensors; made where there is none."""
    import pyarrow as pa

    schema = {
        "features": pa.large_binary(),
        "shape": pa.list_(pa.int32()),
        "dtype": pa.string(),
    }
    return KeyedStore(folder, pa.schema(schema))


def append(store: KeyedStore, parts: Sequence[tuple[bytes, Any]]) -> None:
    """Keep tensors under their keys."""
    import pyarrow as pa

    columns = [
        [to_bytes(part) for _, part in parts],
        [list(part.shape) for _, part in parts],
        [dtype_name(part) for _, part in parts],
    ]
    store.append([key for key, _ in parts], pa.table(columns, schema=store.schema))


def take(store: KeyedStore, keys: Sequence[bytes]) -> list[Any]:
    """The tensors of these keys, in their order."""
    return [
        _from_bytes(features.as_buffer(), shape.as_py(), dtype.as_py())
        for features, shape, dtype in zip(*store.take(list(keys)).columns, strict=True)
    ]


def to_bytes(tensor: Any) -> bytes:
    """A tensor's numbers, bit for bit."""
    import torch

    return bytes(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)


def dtype_name(tensor: Any) -> str:
    """Such as ``"bfloat16"``."""
    return str(tensor.dtype).removeprefix("torch.")


def _from_bytes(buffer: Any, shape: Sequence[int], dtype: str) -> Any:
    import torch

    flat = torch.frombuffer(bytearray(buffer), dtype=getattr(torch, dtype))
    return flat.reshape(list(shape))
