"""Building the answer: one stage and one reason in words for every row, without a row loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data_cards.errors import BadInputError
from selector.order import canonical_order, merit_order
from selector.selection import SCHEMA, STAGES, Candidates, Selection


def number(value: float) -> str:
    """A quality or a cosine for people: four significant digits."""
    return f"{value:.4g}"


def join(*parts: str | pa.Array) -> pa.Array:
    """Put texts side by side, element by element; plain strings repeat on every row."""
    arrays = [pa.scalar(part, pa.string()) if isinstance(part, str) else part for part in parts]
    return pc.binary_join_element_wise(*arrays, pa.scalar("", pa.string()))


def whole(numbers: np.ndarray) -> pa.Array:
    """Whole numbers as text."""
    return pc.cast(pa.array(numbers), pa.string())


class Outcome:
    """The answer while it is being worked out.

    Everything is an array over the n candidates, -1 or NaN where nothing is known yet. A row that
    nobody speaks about is "not chosen".

    Args:
        candidates: The pool.
        seed: Of the hash that breaks ties.

    Attributes:
        order: Canonical order of all rows.
        rank, cluster, cluster_rank, rival: (n,) whole numbers; ``rival`` is a position.
        similarity: (n,) float.
        refused: (n,) true for failed and floored rows.
    """

    def __init__(self, candidates: Candidates, seed: int) -> None:
        n = len(candidates)
        _check(candidates)
        self.candidates = candidates
        self.ids = pa.array([str(id_) for id_ in candidates.ids], pa.string())
        self.order = canonical_order(candidates.ids, seed)
        self.rank = np.full(n, -1, dtype=np.int64)
        self.cluster = np.full(n, -1, dtype=np.int32)
        self.cluster_rank = np.full(n, -1, dtype=np.int64)
        self.rival = np.full(n, -1, dtype=np.int64)
        self.similarity = np.full(n, np.nan)
        self.refused = np.zeros(n, dtype=bool)
        self._quality = np.asarray(candidates.quality, dtype=np.float64)
        self._stage = np.full(n, STAGES.index("not chosen"), dtype=np.int8)
        self._reasons: list[tuple[np.ndarray, pa.Array]] = []

    def name(self, rows: np.ndarray) -> pa.Array:
        """Ids at some positions."""
        return self.ids.take(pa.array(rows))

    def put(self, rows: np.ndarray | Sequence[int], stage: str, reasons: pa.Array | str) -> None:
        """Set stage and reason of some rows; each row is put once."""
        positions = np.asarray(rows, dtype=np.int64)
        if isinstance(reasons, str):
            reasons = pa.repeat(reasons, len(positions))
        self._stage[positions] = STAGES.index(stage)
        self._reasons.append((positions, reasons))

    def admit(self, *, floors: bool = True) -> np.ndarray:
        """Settle the refused rows and give back the others, best first.

        Args:
            floors: Whether floors and missing quality refuse a row; a read error always does.

        Returns:
            Positions of the rows that may be chosen, by quality, ties by hash of the id.
        """
        reasons = pa.array(self.candidates.refused.tolist(), pa.string())
        failed = np.asarray(self.candidates.failed, dtype=bool)
        told = reasons.is_valid().to_numpy(zero_copy_only=False)
        floored = told & ~failed if floors else np.zeros_like(failed)
        unrated = ~failed & ~floored & ~np.isfinite(self._quality) & floors
        failed_rows = np.flatnonzero(failed)
        self.put(
            failed_rows,
            "failed",
            reasons.take(pa.array(failed_rows)).fill_null("could not be read"),
        )
        floored_rows = np.flatnonzero(floored)
        self.put(floored_rows, "floored", reasons.take(pa.array(floored_rows)))
        missing = unrated & np.isnan(self._quality)
        self.put(
            np.flatnonzero(missing), "floored", "no quality: every score it rests on is missing"
        )
        self.put(np.flatnonzero(unrated & ~missing), "floored", "no quality: it is infinite")
        self.refused = failed | floored | unrated
        return merit_order(self._quality, self.order[~self.refused[self.order]])

    def selection(
        self, parameters: Mapping[str, Any], quotas: Mapping[int, int] | None = None
    ) -> Selection:
        """The finished answer: chosen rows by rank, the others by quality."""
        n = len(self.ids)
        rest = merit_order(self._quality, self.order[self.rank[self.order] < 0])
        chosen = np.flatnonzero(self.rank >= 0)
        rows = np.concatenate([chosen[np.argsort(self.rank[chosen])], rest])
        spoken = np.full(n, -1, dtype=np.int64)
        spoken[np.concatenate([rows_ for rows_, _ in self._reasons])] = np.arange(
            sum(len(rows_) for rows_, _ in self._reasons)
        )
        reasons = pa.concat_arrays([_plain(texts) for _, texts in self._reasons])
        columns = {
            "id": self.name(rows),
            "stage": pa.array(STAGES).take(pa.array(self._stage[rows])),
            "rank": _known(self.rank[rows], self.rank[rows] >= 0),
            "quality": _known(self._quality[rows], ~np.isnan(self._quality[rows])),
            "cluster": _known(self.cluster[rows], self.cluster[rows] >= 0),
            "cluster_rank": _known(self.cluster_rank[rows], self.cluster_rank[rows] > 0),
            "reason": reasons.take(_known(spoken[rows], spoken[rows] >= 0)),
            "rival": self.ids.take(_known(self.rival[rows], self.rival[rows] >= 0)),
            "similarity": _known(self.similarity[rows], ~np.isnan(self.similarity[rows])),
        }
        table = pa.table({name: columns[name] for name in SCHEMA.names}, schema=SCHEMA)
        return Selection(table, dict(parameters), dict(quotas or {}))


def shortfall(budget: int, taken: int, able: int) -> dict[str, str]:
    """The parameter that says so when fewer than the budget could be taken."""
    if taken >= budget:
        return {}
    why = f"{able:,} could be chosen from"
    if taken < able:
        kind = "a near-duplicate" if able - taken == 1 else "near-duplicates"
        why += f", {able - taken:,} of them {kind} of a chosen one"
    return {"shortfall": f"{budget:,} asked for, {taken:,} taken: {why}"}


def check_budget(budget: int) -> None:
    """Refuse a budget that is no count of picks."""
    if isinstance(budget, bool) or not isinstance(budget, int | np.integer) or budget < 1:
        raise BadInputError(
            f"the budget is {budget!r}", "Give the number of samples to choose, 1 or more."
        )


def _known(values: np.ndarray, known: np.ndarray) -> pa.Array:
    return pa.array(values, mask=~known)


def _plain(texts: pa.Array | pa.ChunkedArray) -> pa.Array:
    return texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts


def _check(candidates: Candidates) -> None:
    """Every attribute must have one entry per id."""
    n = len(candidates)
    for name in ("quality", "refused", "failed", "image_vectors", "text_vectors", "content"):
        value = getattr(candidates, name)
        if value is not None and len(value) != n:
            raise BadInputError(
                f"{n} candidates, but {len(value)} entries of {name}", "Give one entry per id."
            )
