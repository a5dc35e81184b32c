"""Semantic de-duplication: of images that lie close together inside a cluster one stays.

Abbas et al. 2023 (SemDeDup, arXiv 2303.09540): pairs are looked for inside clusters alone, so that
the cost is the square of the largest cluster and not of the corpus. What lies close together in
different clusters is missed by construction; :func:`recall` says how much that is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np

from data_cards.counted import counted
from data_cards.errors import BadInputError
from selector.duplicates import ROUNDING
from selector.order import canonical_order
from selector.vectors import unit_rows

First = Literal["hard", "easy", "random"]
Progress = Callable[[str, int, int | None], None]
_BLOCK = 1_024
_EARLIER = 16_384
_NOTHING: Progress = lambda stage, done, total: None  # noqa: E731


@dataclass(frozen=True)
class Duplicates:
    """What repeats something that stays.

    Attributes:
        rows: (m,) positions that go, rising.
        rivals: (m,) the row of the same cluster that each is nearest to.
        similarity: (m,) cosine with it, in [-1, 1].
        threshold: Cosine from which a row goes; the smallest that went where a share was asked for,
            infinite where none did.
    """

    rows: np.ndarray
    rivals: np.ndarray
    similarity: np.ndarray
    threshold: float


class Recall(NamedTuple):
    """How much the clusters hide.

    Attributes:
        anywhere: Rows of a sample that have a duplicate.
        inside: Those of them that have one in their own cluster.
        sample: Rows of the sample.
    """

    anywhere: int
    inside: int
    sample: int

    @property
    def words(self) -> str:
        """The same as a sentence."""
        have = "has" if self.anywhere == 1 else "have"
        return (
            f"Of a sample of {counted(self.sample, 'picture')} {self.anywhere:,} {have} a "
            f"duplicate, {self.inside:,} of them in their own cluster, where they are looked for."
        )


def find_duplicates(
    matrix: np.ndarray,
    labels: np.ndarray,
    distance: np.ndarray,
    ids: np.ndarray,
    *,
    threshold: float | None = None,
    fraction: float | None = None,
    first: First = "hard",
    chains: bool = False,
    seed: int = 0,
    on_progress: Progress = _NOTHING,
) -> Duplicates:
    """Find what may go because something like it stays.

    The rows of a cluster are gone through in an order; a row goes if its cosine with an earlier one
    reaches the threshold.

    Args:
        matrix: (n, d) embeddings of any length but 0, array or memory map.
        labels: (n,) cluster of each row; negative: none, and the row is not looked at.
        distance: (n,) distance to the cluster's centre, in [0, 2].
        ids: (n,) distinct ids, which break ties.
        threshold: Cosine in [-1, 1]; or
        fraction: share of the rows with a cluster that shall go, in [0, 1]: those that are
            nearest to an earlier one. With ties in the similarity the id decides.
        first: Order inside a cluster, so what of a group stays: ``"hard"`` far from the centre
            first, as published; ``"easy"`` near ones first; ``"random"``.
        chains: As published: what went lets others go too. ``False``: only what stays does, so
            that every row that goes has a near one that stays. A ``fraction`` is always by chains.
        seed: Of ties and of the random order.
        on_progress: Called with ``("duplicates", rows done, rows)``.

    Returns:
        The duplicates; the order of the rows changes nothing.

    Raises:
        BadInputError: An argument is outside its range.
    """
    _check(len(matrix), labels, distance, ids, threshold, fraction, first)
    order = canonical_order(ids, seed, purpose="duplicates")
    rows = order[labels[order] >= 0]
    if first != "random":
        sign = -1.0 if first == "hard" else 1.0
        rows = rows[np.argsort(sign * distance[rows], kind="stable")]
    rows = rows[np.argsort(labels[rows], kind="stable")]
    limit = np.inf if threshold is None else threshold - ROUNDING
    rival = np.full(len(matrix), -1, dtype=np.int64)
    similarity = np.full(len(matrix), -np.inf)
    done = 0
    for members in np.split(rows, np.flatnonzero(np.diff(labels[rows])) + 1):
        _of_cluster(matrix, members, limit, chains or fraction is not None, rival, similarity)
        done += len(members)
        on_progress("duplicates", done, len(rows))
    if fraction is not None:
        count = round(fraction * len(rows))
        by_id = np.empty(len(matrix), dtype=np.int64)
        by_id[order] = np.arange(len(order))
        ranked = rows[np.lexsort((by_id[rows], -similarity[rows]))]
        ranked = ranked[rival[ranked] >= 0][:count]
        limit = float(similarity[ranked[-1]]) if len(ranked) else np.inf
        gone = np.sort(ranked)
    else:
        gone = np.flatnonzero(similarity >= limit)
    told = threshold if threshold is not None else limit
    return Duplicates(gone, rival[gone], np.clip(similarity[gone], -1.0, 1.0), float(told))


def recall(
    matrix: np.ndarray,
    labels: np.ndarray,
    ids: np.ndarray,
    threshold: float,
    *,
    sample: int = 1_000,
    seed: int = 0,
) -> Recall:
    """How much the clusters hide: a sample of rows held against all rows.

    Args:
        matrix: (n, d) embeddings.
        labels: (n,) cluster of each row; negative: none.
        ids: (n,) distinct ids.
        threshold: Cosine from which two rows are duplicates.
        sample: Rows looked at.
        seed: Of the sample.

    Returns:
        Rows of the sample with a duplicate, and those of them with one in their own cluster.
    """
    order = canonical_order(ids, seed, purpose="recall")
    drawn = order[labels[order] >= 0][:sample]
    vectors, present = unit_rows(matrix, drawn)
    anywhere = np.zeros(len(drawn), dtype=bool)
    inside = np.zeros(len(drawn), dtype=bool)
    for part in _parts(len(matrix), _EARLIER):
        others = np.arange(part.start, part.stop)
        block, there = unit_rows(matrix, others)
        near = (vectors @ block.T) >= threshold - ROUNDING
        near &= present[:, None] & there[None, :] & (labels[others] >= 0)[None, :]
        near &= drawn[:, None] != others[None, :]
        anywhere |= near.any(axis=1)
        inside |= (near & (labels[drawn][:, None] == labels[others][None, :])).any(axis=1)
    return Recall(int(anywhere.sum()), int(inside.sum()), len(drawn))


def _of_cluster(
    matrix: np.ndarray,
    members: np.ndarray,
    limit: float,
    chains: bool,
    rival: np.ndarray,
    similarity: np.ndarray,
) -> None:
    """Nearest earlier member of each, written to ``rival`` and ``similarity``."""
    held: list[np.ndarray] = []  # those that let others go, in order
    for part in _parts(len(members), _BLOCK):
        here = members[part]
        vectors, present = unit_rows(matrix, here)
        best = np.full(len(here), -np.inf, dtype=np.float32)
        who = np.full(len(here), -1, dtype=np.int64)
        earlier = np.concatenate(held) if held else members[:0]
        for span in _parts(len(earlier), _EARLIER):
            block, _ = unit_rows(matrix, earlier[span])
            cosine = vectors @ block.T
            at = cosine.argmax(axis=1)
            top = cosine[np.arange(len(here)), at]
            better = present & (top > best)
            best[better] = top[better]
            who[better] = earlier[span][at[better]]
        among = vectors @ vectors.T
        stays = present.copy()
        for place in range(len(here)):
            before = np.flatnonzero(stays[:place])
            if len(before) and present[place]:
                at = before[among[place, before].argmax()]
                if among[place, at] > best[place]:
                    best[place], who[place] = among[place, at], here[at]
            if not chains and best[place] >= limit:
                stays[place] = False
        rival[here], similarity[here] = who, best
        held.append(here[stays])


def _parts(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def _check(
    count: int,
    labels: np.ndarray,
    distance: np.ndarray,
    ids: np.ndarray,
    threshold: float | None,
    fraction: float | None,
    first: str,
) -> None:
    if any(np.shape(column) != (count,) for column in (labels, distance, ids)):
        raise BadInputError("the columns differ in length", "Give one value for each row.")
    if (threshold is None) == (fraction is None):
        raise BadInputError("what counts as a duplicate is not clear", "Give a cosine or a share.")
    if threshold is not None and not -1 <= threshold <= 1:
        raise BadInputError(f"the threshold is {threshold:g}", "A cosine lies in [-1, 1].")
    if fraction is not None and not 0 <= fraction <= 1:
        raise BadInputError(f"the share is {fraction:g}", "Give 0 to 1.")
    if first not in get_args(First):
        raise BadInputError(f"unknown order {first!r}", f"One of: {', '.join(get_args(First))}.")
