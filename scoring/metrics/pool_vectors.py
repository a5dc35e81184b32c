"""What the metrics of the whole pool share: rows in an order of their own, and unit vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np


def hash_order(ids: Sequence[str], rows: np.ndarray, seed: int) -> np.ndarray:
    """Some rows, sorted by a hash of their ids: an order that the input's order cannot change.

    Args:
        ids: All ids of the pool.
        rows: Row numbers to sort, shape (m,).
        seed: Gives another order.
    """
    salt = seed.to_bytes(8, "little", signed=True)
    keys = np.empty(len(rows), dtype="S16")
    for place, row in enumerate(rows):
        text = str(ids[row]).encode("utf-8", "surrogatepass")
        # Hexadecimal, as numpy drops zero bytes at the end of a string.
        keys[place] = hashlib.blake2b(text, digest_size=8, salt=salt).hexdigest().encode()
    return rows[np.argsort(keys, kind="stable")]


def usable_rows(matrix: np.ndarray | None, status: Sequence[str], chunk: int = 2048) -> np.ndarray:
    """Which rows are good and have a vector, shape (N,); read in chunks."""
    ok = np.array([state == "ok" for state in status], dtype=bool)
    if matrix is None:
        return np.zeros(len(ok), dtype=bool)
    for start in range(0, len(ok), chunk):
        part = np.asarray(matrix[start : start + chunk], dtype=np.float32)
        norm = np.linalg.norm(part, axis=1)  # NaN or infinite wherever an entry is
        ok[start : start + chunk] &= np.isfinite(norm) & (norm > 0)
    return ok


def why_no_text(status: Sequence[str], known: np.ndarray) -> list[str | None]:
    """Notes of a metric that reads responses: what a row without a number lacks.

    Args:
        status: Of each row; the ``error`` of a bad one says what is wrong with it.
        known: Which rows have a number, shape (N,).
    """
    return [
        None if is_known else "no response" if state == "ok" else "not measured: the row is bad"
        for state, is_known in zip(status, known, strict=True)
    ]


def unit_rows(matrix: np.ndarray, rows: np.ndarray | slice) -> np.ndarray:
    """Rows of a float16 matrix as float32, normalised again after the rounding."""
    part = np.asarray(matrix[rows], dtype=np.float32)
    norm = np.linalg.norm(part, axis=1, keepdims=True)
    return np.divide(part, norm, out=np.zeros_like(part), where=norm > 0)
