"""Why a method took a row or left it, in the words that it declares and the numbers it answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from selector.coreset.base import FEWEST, Told, methods
from selector.outcome import Outcome, join, number

if TYPE_CHECKING:
    from selector.coreset.choose import Coreset

_PART = re.compile(r"\{(\w+)\}")
_BEFORE = "it counted as picked before, and is not picked again"


@dataclass(frozen=True)
class Words:
    """What a choice is called in its reasons.

    Attributes:
        name: The method, as it was asked for.
        score: What it ranked by.
        kept: What stands before the name in the reason of a pick.
        gone: What stands before the reason of every other row.
        copies: The stage of rows that went because of their likeness to another.
    """

    name: str
    score: str = "score"
    kept: str = ""
    gone: str = ""
    copies: str = "duplicate"


def tell(outcome: Outcome, made: Coreset, rows: np.ndarray, words: Words) -> None:
    """Set rank, stage, rival and reason of every row that was chosen from.

    Args:
        outcome: The answer; it may hold other rows, too, which are left alone.
        made: What was chosen.
        rows: (n,) the place in the answer of each row that was chosen from.
        words: What things are called.
    """
    entry, count = methods()[made.method], len(made.rows)
    stays = np.zeros(len(rows), dtype=bool)
    stays[made.rows] = True
    left = np.flatnonzero(~stays)
    outcome.rank[rows[made.rows]] = np.arange(1, count + 1)
    saying = _Saying(outcome, made, rows, words)
    comes = "; " if made.groups is None else "; within it: "
    head = join(f"{words.kept}{words.name}: pick ", *saying.place_among_picks())
    outcome.put(rows[made.rows], "chosen", _said(head, entry.kept, saying.of(made.rows), comes))
    saying.put_rivals(left)
    head = join(f"{words.gone}not among the ", *saying.picks(left))
    reasons = _said(head, entry.left, saying.of(left), comes)
    if len(made.selected):
        before = pa.array(np.isin(left, made.selected))
        reasons = pc.if_else(before, join(head, "; ", _BEFORE), reasons)
    copies = np.zeros(len(left), dtype=bool) if made.told.copy is None else made.told.copy[left]
    for which, stage in ((~copies, "not chosen"), (copies, words.copies)):
        outcome.put(rows[left[which]], stage, reasons.filter(pa.array(which)))


def joined(rows: int, parts: Sequence[tuple[np.ndarray, Told | None]]) -> Told:
    """What was told of several parts, as told of all rows.

    Args:
        rows: How many there are in all.
        parts: Positions of each part, and what was told of it.
    """
    values, similarity = np.full(rows, np.nan), np.full(rows, np.nan)
    kind, rival = np.full(rows, -1), np.full(rows, -1)
    copy, digits = np.zeros(rows, dtype=bool), np.full(rows, FEWEST)
    kinds: list[str] = []
    for mine, told in parts:
        if told is None:
            continue
        if told.values is not None:
            values[mine] = told.values
        if told.kind is not None:
            kind[mine] = np.where(told.kind < 0, -1, told.kind + len(kinds))
            kinds += told.kinds
        if told.rival is not None:
            rival[mine] = np.where(told.rival < 0, -1, mine[told.rival])
        if told.similarity is not None:
            similarity[mine] = told.similarity
        if told.copy is not None:
            copy[mine] = told.copy
        if told.digits is not None:
            digits[mine] = told.digits
    return Told(values, kind, kinds, rival, similarity, copy, digits)


class _Saying:
    """The parts that reasons are made of; each is made for the rows that it is asked for."""

    def __init__(self, outcome: Outcome, made: Coreset, rows: np.ndarray, words: Words) -> None:
        self.outcome, self.made, self.rows, self.words = outcome, made, rows, words
        nobody = np.zeros(len(rows), dtype=np.int64)
        self.groups = nobody if made.groups is None else made.groups
        self.taken = np.bincount(self.groups[made.rows], minlength=len(made.group_names) or 1)

    def of(self, some: np.ndarray) -> Callable[[str], pa.Array]:
        """A function from the name of a part to its texts, null where it is not known."""
        return lambda name: getattr(self, f"_{name}")(some)

    def place_among_picks(self) -> tuple[pa.Array | str, ...]:
        """``3 of 30``; of a class ``3 of the 10 in class ring``."""
        groups = self.groups[self.made.rows]
        order = np.argsort(groups, kind="stable")
        first = np.cumsum(self.taken) - self.taken
        place = np.empty(len(groups), dtype=np.int64)
        place[order] = np.arange(len(groups)) - first[groups[order]] + 1
        if self.made.groups is None:
            return _whole(place), f" of {len(groups):,}"
        taken = _whole(self.taken).take(pa.array(groups))
        return _whole(place), " of the ", taken, self._class(groups)

    def picks(self, some: np.ndarray) -> tuple[pa.Array | str, ...]:
        """``30 picks of ccs``; of a class ``10 picks of ccs in class ring``."""
        groups = self.groups[some]
        ending = () if self.made.groups is None else (self._class(groups),)
        few = pa.array(np.where(self.taken == 1, " pick of ", " picks of "))
        taken = join(_whole(self.taken), few).take(pa.array(groups))
        return taken, self.words.name, *ending

    def put_rivals(self, some: np.ndarray) -> None:
        """Give these rows their rivals in the answer."""
        told = self.made.told
        if told.rival is None or told.similarity is None:
            return
        known = some[told.rival[some] >= 0]
        self.outcome.rival[self.rows[known]] = self.rows[told.rival[known]]
        self.outcome.similarity[self.rows[known]] = told.similarity[known]

    def _class(self, groups: np.ndarray) -> pa.Array:
        names = pa.array(list(self.made.group_names), pa.string())
        return join(" in class ", names).take(pa.array(groups))

    def _gain(self, some: np.ndarray) -> pa.Array:
        gains = np.full(len(self.rows), np.nan)
        gains[self.made.rows] = self.made.gains
        return _numbers(gains[some])

    def _value(self, some: np.ndarray) -> pa.Array:
        values = self.made.told.values
        return self._nothing(some) if values is None else self._measured(values, some)

    def _kind(self, some: np.ndarray) -> pa.Array:
        told = self.made.told
        if told.kind is None:
            return self._nothing(some)
        which = pa.array(told.kind[some], mask=told.kind[some] < 0)
        return pa.array(list(told.kinds), pa.string()).take(which)

    def _rival(self, some: np.ndarray) -> pa.Array:
        rival = self.made.told.rival
        if rival is None:
            return self._nothing(some)
        known = rival[some] >= 0
        return self.outcome.ids.take(pa.array(self.rows[rival[some]], mask=~known))

    def _cosine(self, some: np.ndarray) -> pa.Array:
        similarity = self.made.told.similarity
        if similarity is None:
            return self._nothing(some)
        return _texts(similarity[some], lambda value: f"{value:.3f}")

    def _score(self, some: np.ndarray) -> pa.Array:
        if self.made.scores is None:
            return self._nothing(some)
        return join(f"{self.words.score} ", self._measured(self.made.scores, some))

    def _measured(self, values: np.ndarray, some: np.ndarray) -> pa.Array:
        """Numbers, each with its own digits."""
        digits = self.made.told.digits
        written = _numbers(values[some])
        more = np.zeros(len(some), bool) if digits is None else digits[some] > FEWEST
        if digits is None or not more.any():
            return written
        apart = zip(values[some][more].tolist(), digits[some][more].tolist(), strict=True)
        exact = pa.array([f"{value:.{places}g}" for value, places in apart], pa.string())
        return pc.replace_with_mask(written, pa.array(more), exact)

    def _place(self, some: np.ndarray) -> pa.Array:
        """Place from the hardest, equal scores sharing one, among the rows of the class."""
        return self._nothing(some) if self.made.scores is None else _whole(self._places[some])

    @cached_property
    def _places(self) -> np.ndarray:
        groups, scores = self.groups, self.made.scores
        assert scores is not None
        order = np.lexsort((-scores, groups))
        new = np.ones(len(order), dtype=bool)
        new[1:] = (np.diff(groups[order]) != 0) | (np.diff(scores[order]) != 0)
        first = np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))
        place = np.empty(len(order), dtype=np.int64)
        sizes = np.bincount(groups)
        place[order] = first - (np.cumsum(sizes) - sizes)[groups[order]] + 1
        return place

    def _among(self, some: np.ndarray) -> pa.Array:
        return _whole(np.bincount(self.groups)).take(pa.array(self.groups[some]))

    def _nothing(self, some: np.ndarray) -> pa.Array:
        return pa.nulls(len(some), pa.string())


def _said(
    head: pa.Array, templates: Sequence[str], part: Callable[[str], pa.Array], comes: str
) -> pa.Array:
    """The head and the first of some templates whose every part is known, else the head alone."""
    whole_ = [join(head, comes, *_filled(one, part)) for one in templates]
    return pc.coalesce(*whole_, head)


def _filled(template: str, part: Callable[[str], pa.Array]) -> list[pa.Array | str]:
    pieces = _PART.split(template)  # plain text and names of parts take turns
    return [part(piece) if at % 2 else piece for at, piece in enumerate(pieces)]


def _whole(numbers: np.ndarray) -> pa.Array:
    """Whole numbers as text, with commas between thousands."""
    return pa.array([f"{one:,}" for one in numbers.tolist()], pa.string())


def _numbers(values: np.ndarray) -> pa.Array:
    return _texts(values, number)


def _texts(values: np.ndarray, written: Callable[[float], str]) -> pa.Array:
    """A text for each number; none for NaN. Negative zero is zero."""
    return pa.array(
        [None if value != value else written(value + 0.0) for value in values.tolist()],
        pa.string(),
    )
