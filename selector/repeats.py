"""What repeats an earlier pick, exactly or nearly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from selector.duplicates import NearDuplicate, PickedVectors
from selector.outcome import Outcome, join
from selector.picker import Options
from selector.selection import Candidates
from selector.stacked import StackedRows
from selector.vectors import blocks

_BLOCK = 8_192


def repeats_of(
    chosen: Candidates, candidates: Candidates, rows: np.ndarray, near: NearDuplicate | None
) -> tuple[np.ndarray, np.ndarray]:
    """Which rows of one table repeat the picks of another, exactly or nearly.

    Args:
        chosen: The picks, first pick first.
        candidates: Other rows, with vectors of the same encoder.
        rows: (m,) positions in ``candidates`` to look at.
        near: When two samples are nearly the same; ``None``: only exact copies count.

    Returns:
        (m,) position in ``chosen`` of the sample repeated (of equal content, else the most
        similar one), -1 where there is none; (m,) the similarity, NaN where there is none.
    """
    rival = np.full(len(rows), -1, dtype=np.int64)
    similarity = np.full(len(rows), np.nan)
    vectors = [
        (getattr(chosen, name), getattr(candidates, name))
        for name in ("image_vectors", "text_vectors")
    ]
    if near is not None and all((a is None) == (b is None) for a, b in vectors):
        k = len(chosen)
        first = np.arange(k)
        stacks = [None if a is None else StackedRows([(a, first), (b, rows)]) for a, b in vectors]
        both = replace(chosen, image_vectors=stacks[0], text_vectors=stacks[1])  # type: ignore[arg-type]
        if any(stack is not None for stack in stacks):
            picked = PickedVectors(both, k, near)
            for block in blocks(first, _BLOCK):
                loaded = picked.load(first[block])
                for at, row in enumerate(first[block].tolist()):
                    picked.add(row, loaded, at)
            for block in blocks(rows, _BLOCK):
                found, value = picked.nearest(picked.load(k + np.arange(len(rows))[block]))
                rival[block] = found
                similarity[block] = np.where(found >= 0, value, np.nan)
    if chosen.content is not None and candidates.content is not None:
        place: dict[bytes, int] = {}
        for at, key in enumerate(chosen.content):
            if key is not None:
                place.setdefault(key, at)
        for at, row in enumerate(rows):
            same = place.get(candidates.content[row])
            if same is not None:
                rival[at], similarity[at] = same, 1.0
    return rival, similarity


def refuse_repeats(
    outcome: Outcome, rows: np.ndarray, earlier: np.ndarray, budget: int, options: Options
) -> PickedVectors | None:
    """Refuse new rows that nearly repeat an earlier pick; a holder with the earlier picks."""
    candidates = outcome.candidates
    vectors = (candidates.image_vectors, candidates.text_vectors)
    if options.near_duplicate is None or all(matrix is None for matrix in vectors):
        return None
    capacity = len(earlier) + min(budget, len(rows))
    picked = PickedVectors(candidates, capacity, options.near_duplicate)
    for block in blocks(earlier, _BLOCK):
        loaded = picked.load(earlier[block])
        for at, row in enumerate(earlier[block].tolist()):
            picked.add(row, loaded, at)
    for block in blocks(rows, _BLOCK):
        rival, similarity = picked.nearest(picked.load(rows[block]))
        near = rival >= 0
        repeats = rows[block][near]
        outcome.rival[repeats] = rival[near]
        outcome.similarity[repeats] = similarity[near]
        cosine = pa.array([f": cosine {value:.3f}" for value in similarity[near]], pa.string())
        who = outcome.name(rival[near])
        said = join("near-duplicate of ", who, ", which was chosen before", cosine)
        outcome.put(repeats, "duplicate", said)
    return picked
