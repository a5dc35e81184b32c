"""The same sample twice: exactly (equal content) and nearly (close in every modality)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from data_cards.errors import BadInputError
from selector.selection import Candidates
from selector.vectors import unit_rows

PICKS_AT_ONCE = 8192
ROUNDING = 1e-6
"""What float32 may take off a cosine: at a threshold of 1, equal vectors are still equal."""


@dataclass(frozen=True)
class NearDuplicate:
    """When two samples count as nearly the same.

    Each modality that the two have must be at or above its threshold: the same image with
    another question is another sample, and so is the same sentence under another image. A sample
    that lacks what the other one has is never its near-duplicate.

    Attributes:
        image: Least cosine of the image vectors, in [-1, 1].
        text: Least cosine of the response vectors.
    """

    image: float = 0.95
    text: float = 0.95

    def __post_init__(self) -> None:
        for name in ("image", "text"):
            value = getattr(self, name)
            if not -1 <= value <= 1:
                raise BadInputError(
                    f"near-duplicate threshold {name}={value}", "A cosine lies in [-1, 1]."
                )


def exact_keepers(content: np.ndarray | None, ranked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Let the best of equal samples stand for them all.

    Args:
        content: (n,) keys, equal where the samples are the same; a ``None`` equals nothing.
            ``None`` as a whole: no sample equals another.
        ranked: (m,) positions, best first.

    Returns:
        The positions in ``ranked`` that stay, in the same order; (m,) for each entry of
        ``ranked`` the position that stands for it (itself where it stays).
    """
    if content is None or not len(ranked):
        return ranked, ranked
    keys = pa.array(np.asarray(content, dtype=object)[ranked].tolist()).dictionary_encode()
    codes = keys.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    unknown = codes < 0
    codes[unknown] = len(keys.dictionary) + np.arange(int(unknown.sum()))
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    keeper = first[inverse]
    return ranked[keeper == np.arange(len(ranked))], ranked[keeper]


class PickedVectors:
    """The vectors of what has been picked so far, to hold candidates against.

    Args:
        candidates: The pool.
        capacity: Picks that will be held at most.
        thresholds: When two samples are nearly the same.
    """

    def __init__(self, candidates: Candidates, capacity: int, thresholds: NearDuplicate) -> None:
        both = [
            (candidates.image_vectors, thresholds.image),
            (candidates.text_vectors, thresholds.text),
        ]
        used = [(matrix, limit) for matrix, limit in both if matrix is not None]
        self._matrices = [matrix for matrix, _ in used]
        self._limits = [limit for _, limit in used]
        self._picked = [np.empty((capacity, m.shape[1]), dtype=np.float32) for m in self._matrices]
        self._present = [np.zeros(capacity, dtype=bool) for _ in self._matrices]
        self.rows = np.empty(capacity, dtype=np.int64)
        self.count = 0

    def load(self, rows: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Unit vectors and presence of some rows, per modality."""
        return [unit_rows(matrix, rows) for matrix in self._matrices]

    def add(self, row: int, loaded: list[tuple[np.ndarray, np.ndarray]], at: int) -> None:
        """Note a pick: entry ``at`` of loaded rows."""
        for (vectors, present), picked, has in zip(
            loaded, self._picked, self._present, strict=True
        ):
            picked[self.count] = vectors[at]
            has[self.count] = present[at]
        self.rows[self.count] = row
        self.count += 1

    def nearest(
        self, loaded: list[tuple[np.ndarray, np.ndarray]], since: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """For each loaded row, the pick that it nearly repeats, if any.

        Args:
            loaded: b rows, from :meth:`load`.
            since: Only the picks from this one on.

        Returns:
            (b,) position of the most similar pick among those that are near enough in every
            modality, -1 where there is none; (b,) the similarity: the smallest cosine over the
            modalities, -inf where there is none.
        """
        size = len(loaded[0][0]) if loaded else 0
        rival = np.full(size, -1, dtype=np.int64)
        similarity = np.full(size, -np.inf, dtype=np.float32)
        # A few thousand picks at a time: the table of cosines stays small for any budget.
        for start in range(since, self.count, PICKS_AT_ONCE):
            span = slice(start, min(start + PICKS_AT_ONCE, self.count))
            least = self._least_cosines(loaded, span)
            best = least.argmax(axis=1)
            top = least[np.arange(size), best]
            better = top > similarity
            similarity[better] = top[better]
            rival[better] = self.rows[span][best[better]]
        return rival, np.minimum(similarity, 1.0)

    def _least_cosines(
        self, loaded: list[tuple[np.ndarray, np.ndarray]], span: slice
    ) -> np.ndarray:
        """(b, picks) smallest cosine over the modalities; -inf where the pair is not near."""
        size = len(loaded[0][0])
        least = np.full((size, span.stop - span.start), np.inf, dtype=np.float32)
        near = np.ones(least.shape, dtype=bool)
        for (vectors, present), picked, has, limit in zip(
            loaded, self._picked, self._present, self._limits, strict=True
        ):
            cosine = vectors @ picked[span].T
            shared = present[:, None] & has[None, span]
            near &= np.where(
                shared, cosine >= limit - ROUNDING, present[:, None] == has[None, span]
            )
            np.minimum(least, cosine, out=least, where=shared)
        # Two samples without any vector are not known to be alike.
        near &= np.isfinite(least)
        least[~near] = -np.inf
        return least
