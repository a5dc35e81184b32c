"""Where k-means starts: a sample of distinct rows, and prototypes drawn from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from selector.prune.grid import GRID, content_keys, unit_grid

Start = Literal["k-means++", "sample"]
SAMPLE_ROWS = 20_000
"""Rows that starting prototypes are drawn from; two for each prototype where that is more."""
SPREAD_LIMIT = 2_000
"""Above this many prototypes they are drawn evenly: k-means++ reads the sample k times."""
SAME = 1e-6
"""Cosine distance below which a row lies at a prototype."""


@dataclass(frozen=True)
class Sample:
    """Distinct rows with the smallest keys, in the order of their keys.

    Attributes:
        keys: (m,) ``uint64``, rising.
        rows: (m, d) ``int32``, on the grid.
    """

    keys: np.ndarray
    rows: np.ndarray

    @property
    def units(self) -> np.ndarray:
        """(m, d) float32 unit rows."""
        return (self.rows / GRID).astype(np.float32)


def sample_size(prototypes: int) -> int:
    """How many rows a sample has for so many prototypes."""
    return max(SAMPLE_ROWS, 2 * prototypes)


def sample_block(
    block: np.ndarray, count: int, seed: int, *, keys: np.ndarray | None = None,
    below: int | None = None,
) -> Sample:  # fmt: skip
    """The part that a block has in a sample of all rows.

    Args:
        block: (m, d) embeddings; broken rows are passed by.
        count: Size of the whole sample.
        seed: Of the keys.
        keys: (m,) ``uint64`` to use instead of keys made of the content.
        below: A key that is known to be out of the sample already.
    """
    rows, present = unit_grid(block)
    made = content_keys(rows, seed) if keys is None else keys
    wanted = present if below is None else present & (made < np.uint64(below))
    at = np.flatnonzero(wanted)
    smallest, first = np.unique(made[at], return_index=True)
    return Sample(smallest[:count], rows[at[first[:count]]].astype(np.int32))


def merge_samples(parts: Iterable[Sample], count: int) -> Sample:
    """The sample of several parts together; the order and number of the parts do not matter."""
    every = list(parts)
    keys, first = np.unique(np.concatenate([part.keys for part in every]), return_index=True)
    return Sample(keys[:count], np.concatenate([part.rows for part in every])[first[:count]])


def without_repeats(sample: Sample, seed: int) -> Sample:
    """One row of each content: given keys may differ where the rows do not."""
    _, first = np.unique(content_keys(sample.rows, seed), return_index=True)
    first.sort()
    return Sample(sample.keys[first], sample.rows[first])


def draw_start(
    sample: Sample, count: int, start: Start | None, rng: np.random.Generator
) -> np.ndarray:
    """Starting prototypes out of a sample.

    Args:
        sample: At least ``count`` distinct rows.
        count: k.
        start: ``"k-means++"`` (Arthur and Vassilvitskii 2007: each next one drawn with the cosine
            distance to those before as its weight), ``"sample"`` (evenly), or ``None``: the first
            up to :data:`SPREAD_LIMIT` prototypes.
        rng: The draws.

    Returns:
        (count, d) float32 unit rows, distinct.
    """
    units = sample.units
    if start is None:
        start = "k-means++" if count <= SPREAD_LIMIT else "sample"
    if start == "sample":
        return units[np.sort(rng.permutation(len(units))[:count])]
    chosen = [int(rng.integers(len(units)))]
    distance = _distance(units, units[chosen[0]])
    for _ in range(count - 1):
        summed = np.cumsum(distance)
        if summed[-1] <= 0:  # all that is left lies at a prototype: take the first rows unused
            unused = np.setdiff1d(np.arange(len(units)), chosen)[: count - len(chosen)]
            return units[[*chosen, *unused.tolist()]]
        place = int(np.searchsorted(summed, rng.random() * summed[-1], side="right"))
        chosen.append(min(place, int(np.flatnonzero(distance)[-1])))
        distance = np.minimum(distance, _distance(units, units[chosen[-1]]))
    return units[chosen]


def move_empty(
    centres: np.ndarray, empty: np.ndarray, sample: Sample
) -> tuple[np.ndarray, np.ndarray]:
    """Give prototypes without members a new place: the row of the sample farthest from all others.

    Args:
        centres: (k, d) float32.
        empty: Numbers of the prototypes without members.
        sample: Of all rows.

    Returns:
        (k, d) the prototypes, and the numbers of those that moved; for the others no row was
        found that lies off all prototypes.
    """
    moved, centres, units = [], centres.copy(), sample.units
    others = np.delete(centres, empty, axis=0)
    distance = np.full(len(units), np.inf)
    for part in range(0, len(others), 512):
        cosine = (units @ others[part : part + 512].T).max(axis=1)
        distance = np.minimum(distance, 1.0 - cosine.astype(np.float64))
    for number in empty:
        farthest = int(distance.argmax())
        if distance[farthest] < SAME:
            break
        centres[number] = units[farthest]
        distance = np.minimum(distance, _distance(units, units[farthest]))
        moved.append(int(number))
    return centres, np.array(moved, dtype=np.int64)


def _distance(units: np.ndarray, unit: np.ndarray) -> np.ndarray:
    """Cosine distance of all rows to one, float64; 0 for what is all but equal to it."""
    distance = 1.0 - (units @ unit).astype(np.float64)
    distance[distance < SAME] = 0.0
    return distance
