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


def unit_rows(matrix: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gather rows as unit float32 vectors.

    float16 storage leaves lengths up to 1e-3 away from 1, so the rows are normalised again.

    Args:
        matrix: (n, d) float16 or float32, array or memory map; a row with NaN is a missing one.
        rows: (m,) positions, in any order.

    Returns:
        (m, d) float32 unit rows, zero where missing; (m,) true where there is a vector.
    """
    if len(rows) and (np.diff(rows) == 1).all():
        block = matrix[rows[0] : rows[-1] + 1].astype(np.float32)
    else:
        # Read a memory map front to back, whatever order is asked for.
        sort = np.argsort(rows, kind="stable")
        block = np.empty((len(rows), matrix.shape[1]), dtype=np.float32)
        block[sort] = matrix[rows[sort]]
    squared = np.einsum("ij,ij->i", block, block)
    present = np.isfinite(squared) & (squared > 0)
    block[~present] = 0.0
    block[present] /= np.sqrt(squared[present])[:, None]
    return block, present


def resolve_space(candidates: Candidates, space: Space | None) -> Space | None:
    """The space to work in: the one asked for, or whatever there is.

    Returns:
        ``"both"`` where nothing was asked for and both kinds of vector are there, the only kind
        where there is one, ``None`` where there is none.

    Raises:
        BadInputError: If the space asked for needs vectors that are not there.
    """
    image, text = candidates.image_vectors is not None, candidates.text_vectors is not None
    if space is None:
        return "both" if image and text else "image" if image else "text" if text else None
    if space not in ("image", "text", "both"):
        raise BadInputError(f"unknown space {space!r}", "Spaces are: image, text, both.")
    for kind, there in (("image", image), ("text", text)):
        if space in (kind, "both") and not there:
            raise BadInputError(
                f"space {space!r} needs {kind} vectors, and the candidates have none",
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
    image, has_image = unit_rows(candidates.image_vectors, rows)
    text, has_text = unit_rows(candidates.text_vectors, rows)
    w_image = np.where(has_text, np.sqrt(image_weight), 1.0).astype(np.float32)
    w_text = np.where(has_image, np.sqrt(1.0 - image_weight), 1.0).astype(np.float32)
    both = np.concatenate([image * w_image[:, None], text * w_text[:, None]], axis=1)
    return both, has_image | has_text


def blocks(rows: np.ndarray, size: int = BLOCK) -> Iterator[slice]:
    """Consecutive slices of at most ``size`` entries that cover ``rows``."""
    for start in range(0, len(rows), size):
        yield slice(start, min(start + size, len(rows)))
