"""What stays: a fraction of the corpus by difficulty, with a floor for every class.

Difficulties of **all** samples are ranked together, as in Sorscher et al. 2022 (arXiv 2206.14486),
not inside each cluster. Every class (or cluster, where there are no classes) keeps at least half of
its equal share, the 50 % rule, because each way of ranking sharpens imbalance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from data_cards.errors import BadInputError
from selector.order import canonical_order, id_digests

Strategy = Literal["hard", "easy", "random", "moderate"]
Why = Literal["floor", "rank", "random"]


@dataclass(frozen=True)
class Kept:
    """What stays and what goes.

    Attributes:
        rows: (m,) positions of what stays: by the strategy, its first choice first, then what was
            mixed in at random.
        why: (m,) of each: ``"floor"`` (its group's share, and it would have gone without floors),
            ``"rank"`` or ``"random"``.
        removed: (r,) positions of what goes, rising; no broken row is among them.
        broken: (b,) positions without a difficulty; they neither stay nor go.
        floors: Group to the places set aside for it, all of them filled.
        last: Position of the last row that got in by rank when floors were filled; ``None``: none.
    """

    rows: np.ndarray
    why: np.ndarray
    removed: np.ndarray
    broken: np.ndarray
    floors: dict[int, int]
    last: int | None = None


def keep_count(rows: int, fraction: float) -> int:
    """How many of ``rows`` a fraction is: the nearest whole number, a half to the even one.

    Raises:
        BadInputError: The fraction is not in [0, 1].
    """
    if not 0 <= fraction <= 1:
        raise BadInputError(f"the kept fraction is {fraction:g}", "Give 0 to 1.")
    return round(fraction * rows)


def keep(
    difficulty: np.ndarray,
    ids: np.ndarray,
    *,
    strategy: Strategy,
    fraction: float | None = None,
    count: int | None = None,
    groups: np.ndarray | None = None,
    balance: float = 0.5,
    random_share: float = 0.0,
    content: np.ndarray | None = None,
    seed: int = 0,
) -> Kept:
    """Decide what stays.

    First each group's floor, ``min(members, int(balance * kept / groups))`` of its first by the
    strategy; then the first of all the rest. Where equal difficulties must be told apart, equal
    content goes together and the hash of the id decides. The order of the rows changes nothing.

    Args:
        difficulty: (n,) distance to the prototype, large is hard; NaN is a broken row.
        ids: (n,) distinct ids.
        strategy: ``"hard"``: largest difficulty first; ``"easy"``: smallest first; ``"moderate"``:
            the middle ranks first (Xia et al. 2023); ``"random"``: drawn evenly.
        fraction: Share of the rows that are not broken, in [0, 1]; or
        count: how many stay, from 0 to that number.
        groups: (n,) class or cluster of each row, whole numbers; negative: none, and no floor.
        balance: Floor as a share of the equal share, in [0, 1]; 0 is the plain ranking.
        random_share: Part of what stays that is drawn evenly from what the strategy leaves, in
            [0, 1]. Floors come first: with a large balance less is left for it.
        content: (n,) ``uint64`` or whole numbers, equal where the content is.
        seed: Of draws and ties.

    Returns:
        Exactly as many rows as asked for.

    Raises:
        BadInputError: An argument is outside its range, or an id stands twice among ties or draws.
    """
    score = np.asarray(difficulty, dtype=np.float64)
    usable = np.flatnonzero(~np.isnan(score))
    wanted = _wanted(len(usable), fraction, count)
    _check(score, ids, strategy, groups, balance, random_share, content)
    ranking = _Ranking(_merit(score, strategy, ids, usable, content, seed), ids, content, seed)
    mixed = round(random_share * wanted)
    floors: dict[int, int] = {}
    taken = np.zeros(len(score), dtype=bool)
    why = np.full(len(score), "rank", dtype="U6")
    if groups is not None:
        members = _members(groups, usable)
        share = int(balance * wanted / max(1, len(members)) + 1e-9)
        for group, its in members:
            floors[group] = min(len(its), share)
            taken[ranking.first(its, floors[group])] = True
        why[taken] = "floor"
        why[ranking.first(usable, wanted - mixed)] = "rank"  # these stay with no floor, too
    left = max(0, wanted - mixed - int(taken.sum()))
    by_rank = ranking.first(usable[~taken[usable]], left)
    taken[by_rank] = True
    chosen = ranking.sorted(np.flatnonzero(taken))
    drawn = _draw(ids, usable[~taken[usable]], wanted - len(chosen), seed)
    taken[drawn] = True
    why[drawn] = "random"
    rows = np.concatenate([chosen, drawn])
    return Kept(
        rows=rows,
        why=why[rows],
        removed=usable[~taken[usable]],
        broken=np.flatnonzero(np.isnan(score)),
        floors=floors,
        last=_last_of(by_rank, chosen),
    )


class _Ranking:
    """Rows by merit, higher first; hashes are made only for rows whose merits are equal."""

    def __init__(
        self, merit: np.ndarray, ids: np.ndarray, content: np.ndarray | None, seed: int
    ) -> None:
        self.merit, self.ids, self.content, self.seed = merit, ids, content, seed

    def first(self, rows: np.ndarray, count: int) -> np.ndarray:
        """The best ``count`` of some rows, in no order; only rows at the edge are told apart."""
        if count <= 0 or count >= len(rows):
            return rows[:0] if count <= 0 else rows
        merit = self.merit[rows]
        edge = np.partition(merit, len(rows) - count)[len(rows) - count]
        above = rows[merit > edge]
        tied = rows[merit == edge]
        needed = count - len(above)
        if needed < len(tied):
            tied = tied[self._tie_order(tied)][:needed]
        return np.concatenate([above, tied])

    def sorted(self, rows: np.ndarray) -> np.ndarray:
        """Rows, best first."""
        rows = rows[np.argsort(-self.merit[rows], kind="stable")]
        merit = self.merit[rows]
        twice = np.zeros(len(rows), dtype=bool)
        if len(rows) > 1:
            equal = merit[1:] == merit[:-1]
            twice[1:] |= equal
            twice[:-1] |= equal
        tied = np.flatnonzero(twice)
        if len(tied):
            order = self._tie_order(rows[tied])
            order = order[np.argsort(-merit[tied][order], kind="stable")]
            rows[tied] = rows[tied][order]
        return rows

    def _tie_order(self, rows: np.ndarray) -> np.ndarray:
        """Order of equals: by a hash of the content, so that copies stand together, then the id."""
        by_id = canonical_order(self.ids[rows], self.seed)
        if self.content is None:
            return by_id
        values, inverse = np.unique(self.content[rows], return_inverse=True)
        hashed = id_digests(values.tolist(), self.seed, purpose="content")[inverse]
        return by_id[np.lexsort((hashed[by_id, 1], hashed[by_id, 0]))]


def _merit(
    score: np.ndarray,
    strategy: Strategy,
    ids: np.ndarray,
    usable: np.ndarray,
    content: np.ndarray | None,
    seed: int,
) -> np.ndarray:
    """(n,) what the strategy prefers, higher first."""
    if strategy == "hard":
        return score
    if strategy == "easy":
        return -score
    merit = np.full(len(score), np.nan)
    if strategy == "random":
        order = usable[canonical_order(ids[usable], seed)]
        merit[order] = np.random.default_rng(seed).permutation(len(order))
        return merit
    ranked = _Ranking(score, ids, content, seed).sorted(usable)
    merit[ranked] = -np.abs(np.arange(len(ranked)) - (len(ranked) - 1) / 2)
    return merit


def _last_of(rows: np.ndarray, chosen: np.ndarray) -> int | None:
    """The last of some rows in the order of the chosen."""
    places = np.flatnonzero(np.isin(chosen, rows))
    return int(chosen[places[-1]]) if len(places) else None


def _draw(ids: np.ndarray, rows: np.ndarray, count: int, seed: int) -> np.ndarray:
    """``count`` of some rows, evenly, in the order of the draws."""
    if count <= 0:
        return rows[:0]
    ordered = rows[canonical_order(ids[rows], seed, purpose="mix")]
    return ordered[np.random.default_rng([seed, 1]).permutation(len(ordered))[:count]]


def _members(groups: np.ndarray, usable: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Usable rows of each group, groups rising; negative ones left out."""
    order = usable[np.argsort(groups[usable], kind="stable")]
    names, starts = np.unique(groups[order], return_index=True)
    parts = np.split(order, starts[1:]) if len(names) else []
    return [(int(name), part) for name, part in zip(names, parts, strict=True) if name >= 0]


def _wanted(rows: int, fraction: float | None, count: int | None) -> int:
    if (fraction is None) == (count is None):
        raise BadInputError("how much stays is not clear", "Give a fraction or a count, one.")
    wanted = keep_count(rows, fraction) if fraction is not None else int(count or 0)
    if not 0 <= wanted <= rows:
        raise BadInputError(f"{wanted:,} of {rows:,} rows cannot be kept", f"Give 0 to {rows:,}.")
    return wanted


def _check(
    score: np.ndarray,
    ids: np.ndarray,
    strategy: str,
    groups: np.ndarray | None,
    balance: float,
    random_share: float,
    content: np.ndarray | None,
) -> None:
    if strategy not in get_args(Strategy):
        raise BadInputError(
            f"unknown strategy {strategy!r}", f"Strategies are: {', '.join(get_args(Strategy))}."
        )
    if not (0 <= balance <= 1 and 0 <= random_share <= 1):
        raise BadInputError(
            f"balance {balance:g}, random share {random_share:g}", "Give shares from 0 to 1."
        )
    columns = (score, ids, *(column for column in (groups, content) if column is not None))
    if score.ndim != 1 or any(np.shape(column) != score.shape for column in columns):
        raise BadInputError("the columns differ in length", "Give one value for each row.")
    if np.isinf(score).any():
        raise BadInputError("a difficulty is infinite", "Give finite numbers, or NaN for none.")
    if groups is not None and np.asarray(groups).dtype.kind not in "iu":
        raise BadInputError("a group is no whole number", "Number classes or clusters from 0 up.")
