"""Unit rows out of a memory map, a block at a time, in the space that was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from data_cards.errors import BadInputError
from selector.selection import Candidates

Space = Literal["image", "text", "both"]
BLOCK = 32_768
"""Rows held as float32 at a time: 32 MB at 256 dimensions."""


def unit_rows(
    matrix: np.ndarray, rows: np.ndarray, out: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Gather rows as unit float32 vectors.

    float16 storage leaves lengths up to 1e-3 away from 1, so the rows are normalised again.

    Args:
        matrix: (n, d) float16 or float32, array or memory map; a row with NaN is a missing one.
        rows: (m,) positions, in any order.
        out: (m, d) float32 to write to.

    Returns:
        (m, d) float32 unit rows, zero where missing; (m,) true where there is a vector.
    """
    block = np.empty((len(rows), matrix.shape[1]), dtype=np.float32) if out is None else out
    if len(rows) and (np.diff(rows) == 1).all():
        block[...] = matrix[rows[0] : rows[-1] + 1]
    else:
        # Read a memory map front to back, whatever order is asked for.
        sort = np.argsort(rows, kind="stable")
        block[sort] = matrix[rows[sort]]
    squared = np.einsum("ij,ij->i", block, block)
    present = np.isfinite(squared) & (squared > 0)
    scale = np.zeros_like(squared)
    scale[present] = 1.0 / np.sqrt(squared[present])
    block *= scale[:, None]
    if not present.all():
        block[~present] = 0.0  # NaN times zero is NaN
    return block, present


def resolve_space(candidates: Candidates, space: Space | None) -> Space | None:
    """The space to work in: the one asked for, as far as it is there.

    Returns:
        The kind asked for; for ``"both"`` and ``None`` whatever there is: both, the only kind
        where there is one, ``None`` where there is none.

    Raises:
        BadInputError: If ``"image"`` or ``"text"`` is asked for and there are no such vectors.
    """
    there = {"image": candidates.image_vectors, "text": candidates.text_vectors}
    found: list[Space] = [kind for kind in ("image", "text") if there[kind] is not None]
    if space is None or space == "both":
        return "both" if len(found) == 2 else found[0] if found else None
    if space not in there:
        raise BadInputError(f"unknown space {space!r}", "Spaces are: image, text, both.")
    if space not in found:
        raise BadInputError(
            f"space {space!r} needs {space} vectors, and the candidates have none",
            "Score with an encoder, or choose another space.",
        )
    return space


def space_rows(
    candidates: Candidates, rows: np.ndarray, space: Space, image_weight: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of some rows in one space.

    In ``"both"`` the image vector times sqrt(w) and the text vector times sqrt(1 - w) are put
    side by side, so that the inner product of two complete rows is w cos(images) + (1 - w)
    cos(texts). A row that lacks one of them keeps the other at length 1 beside zeros: it is
    compared with the rest by what it has.

    Args:
        candidates: The pool.
        rows: (m,) positions.
        space: ``"image"``, ``"text"`` or ``"both"``.
        image_weight: w in [0, 1], for ``"both"`` only.

    Returns:
        (m, D) float32 unit rows, zero where the row has no vector in this space; (m,) true where
        it has one.
    """
    if space != "both":
        matrix = candidates.image_vectors if space == "image" else candidates.text_vectors
        assert matrix is not None
        return unit_rows(matrix, rows)
    assert candidates.image_vectors is not None and candidates.text_vectors is not None
    split = candidates.image_vectors.shape[1]
    both = np.empty((len(rows), split + candidates.text_vectors.shape[1]), dtype=np.float32)
    _, has_image = unit_rows(candidates.image_vectors, rows, both[:, :split])
    _, has_text = unit_rows(candidates.text_vectors, rows, both[:, split:])
    both[:, :split] *= np.where(has_text, np.sqrt(image_weight), 1.0).astype(np.float32)[:, None]
    both[:, split:] *= np.where(has_image, np.sqrt(1 - image_weight), 1.0).astype(np.float32)[
        :, None
    ]
    return both, has_image | has_text


def blocks(rows: np.ndarray, size: int = BLOCK) -> Iterator[slice]:
    """Consecutive slices of at most ``size`` entries that cover ``rows``."""
    for start in range(0, len(rows), size):
        yield slice(start, min(start + size, len(rows)))
