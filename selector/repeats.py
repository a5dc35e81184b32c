"""What repeats an earlier pick, exactly or nearly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from selector.duplicates import NearDuplicate, PickedVectors
from selector.outcome import Outcome, join
from selector.picker import Options
from selector.selection import Candidates
from selector.vectors import blocks, unit_rows

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
    return EarlierPicks.of(chosen, near).repeated_by(candidates, rows)


@dataclass(frozen=True)
class EarlierPicks:
    """Picks that other rows are held against, as often as is wanted.

    Attributes:
        chosen: The picks, first pick first.
        picked: Their vectors; ``None`` where only exact copies count.
        place: Content to the first pick that has it.
    """

    chosen: Candidates
    picked: PickedVectors | None
    place: Mapping[bytes, int]

    @classmethod
    def of(cls, chosen: Candidates, near: NearDuplicate | None) -> EarlierPicks:
        """Load the picks; see :func:`repeats_of`."""
        place: dict[bytes, int] = {}
        for at, key in enumerate(chosen.content if chosen.content is not None else ()):
            if key is not None:
                place.setdefault(key, at)
        if near is None or all(matrix is None for matrix in _vectors(chosen)):
            return cls(chosen, None, place)
        rows = np.arange(len(chosen))
        picked = PickedVectors(chosen, len(chosen), near)
        for block in blocks(rows, _BLOCK):
            loaded = picked.load(rows[block])
            for at, row in enumerate(rows[block].tolist()):
                picked.add(row, loaded, at)
        return cls(chosen, picked, place)

    def repeated_by(
        self, candidates: Candidates, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Which of some rows repeat a pick; see :func:`repeats_of`."""
        rival = np.full(len(rows), -1, dtype=np.int64)
        similarity = np.full(len(rows), np.nan)
        pairs = list(zip(_vectors(self.chosen), _vectors(candidates), strict=True))
        if self.picked is not None and all((a is None) == (b is None) for a, b in pairs):
            matrices = [b for _, b in pairs if b is not None]
            for block in blocks(rows, _BLOCK):
                loaded = [unit_rows(matrix, rows[block]) for matrix in matrices]
                found, value = self.picked.nearest(loaded)
                rival[block] = found
                similarity[block] = np.where(found >= 0, value, np.nan)
        if candidates.content is not None:
            for at, row in enumerate(rows):
                same = self.place.get(candidates.content[row])
                if same is not None:
                    rival[at], similarity[at] = same, 1.0
        return rival, similarity


def _vectors(candidates: Candidates) -> list[np.ndarray | None]:
    return [candidates.image_vectors, candidates.text_vectors]


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
