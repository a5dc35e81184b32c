"""Embedding rows as unit vectors on a grid, so that their sums are exact in any order.

A unit row is rounded to whole multiples of 2^-23, which float32 holds exactly (a float16 coordinate
of 0.04 is itself rounded to 2^-15). Whole numbers add up without rounding: blocks, threads,
machines and the order of the rows cannot change a sum. The length of a float16 row of length up to
5 is a sum of whole multiples of 2^-48 that float64 holds exactly, so that the row on the grid is
the same on every machine too.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from data_cards.errors import BadInputError

GRID = 2.0**23
"""Steps of the grid in a length of 1."""
BLOCK_BYTES = 12 * 2**20
"""What one thread holds of a block: rows in two precisions, and their cosines; measured."""
_FLOAT32 = np.finfo(np.float32)


def checked(matrix: np.ndarray) -> np.ndarray:
    """The matrix, if it can be a matrix of embeddings.

    Raises:
        BadInputError: It is not (n, d) of floats, or d is 0.
    """
    if matrix.ndim != 2 or not matrix.shape[1] or matrix.dtype.kind != "f":
        raise BadInputError(
            f"embeddings of shape {matrix.shape} and type {matrix.dtype}",
            "Give a matrix (rows, dimensions) of float16 or float32.",
        )
    return matrix


def row_scales(block: np.ndarray) -> np.ndarray:
    """What each row is to be multiplied by to lie on the grid.

    Args:
        block: (m, d) float16, float32 or float64; any length but 0.

    Returns:
        (m,) float32: :data:`GRID` over the length; 0 for a broken row (zero, NaN, infinity), and -1
        where it is beyond float32.
    """
    rows = block.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        squared = np.einsum("ij,ij->i", rows, rows)
    present = np.isfinite(squared) & (squared > 0)
    exact = np.zeros(len(rows))
    exact[present] = GRID / np.sqrt(squared[present])
    scales = np.minimum(exact, _FLOAT32.max).astype(np.float32)
    beyond = (exact > _FLOAT32.max) | (exact < GRID / float(_FLOAT32.max))
    scales[present & beyond] = -1.0
    return scales


def unit_grid(
    block: np.ndarray, out: np.ndarray | None = None, scales: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Rows scaled to length 1 and put on the grid.

    Args:
        block: (m, d) float16, float32 or float64; any length but 0.
        out: (m, d) float32 to write to.
        scales: (m,) what :func:`row_scales` says of the block, where it was asked before.

    Returns:
        (m, d) float32, whole numbers: the unit row times :data:`GRID`, zero where there is none;
        (m,) true where there is one.
    """
    scales = row_scales(block) if scales is None else scales
    rows = np.empty(block.shape, np.float32) if out is None else out
    with np.errstate(over="ignore", invalid="ignore"):
        rows[...] = block
        rows *= scales[:, None]
    present = scales != 0
    if not present.all():
        rows[~present] = 0.0  # NaN times zero is NaN
    for row in np.flatnonzero(scales < 0):
        exact = block[row].astype(np.float64)
        rows[row] = exact * (GRID / np.sqrt(np.einsum("i,i", exact, exact)))
    np.rint(rows, out=rows)
    return rows, present


def blocks(rows: int, size: int) -> Iterator[slice]:
    """Consecutive slices of at most ``size`` that cover ``rows``."""
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def block_size(dim: int, prototypes: int) -> int:
    """Rows of a block, so that what a thread holds of it stays near :data:`BLOCK_BYTES`."""
    return int(np.clip(BLOCK_BYTES // (12 * dim + 4 * prototypes), 64, 8192))


def content_keys(rows: np.ndarray, seed: int) -> np.ndarray:
    """A 64-bit number for each row that depends on its direction and the seed alone.

    Args:
        rows: (m, d) whole numbers on the grid, of any type.
        seed: Another seed gives unrelated numbers.

    Returns:
        (m,) ``uint64``; equal rows have equal keys. The rows with the smallest keys are a random
        sample of the distinct rows that the order of the rows does not touch.
    """
    factors = np.random.default_rng(seed).integers(2**63, size=rows.shape[1], dtype=np.uint64)
    mixed = rows.astype(np.int64).view(np.uint64)
    mixed *= factors * np.uint64(2) + np.uint64(1)
    key = mixed.sum(axis=1, dtype=np.uint64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        key = (key ^ (key >> np.uint64(shift))) * np.uint64(factor)
    return key ^ (key >> np.uint64(31))
