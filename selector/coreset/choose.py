"""Choosing by any method of the shelf: checks, order, classes, and the one kind of answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from data_cards.errors import BadInputError
from selector.coreset.base import BLOCK, Method, Pool, find_method
from selector.coreset.budget import Budget
from selector.coreset.given import (
    features_of,
    ids_of,
    labels_of,
    located,
    refuse_missing,
    scores_of,
    seed_of,
)
from selector.order import canonical_order
from selector.outcome import Outcome, join, number, whole
from selector.selection import Candidates, Selection


@dataclass(frozen=True)
class Coreset:
    """What was chosen.

    Attributes:
        rows: (k,) positions in picking order. Chosen class by class they take turns: the first of
            each class, then the second of each.
        gains: (k,) what each was picked for; see the method's ``gain``.
        weights: (k,) how many rows each stands for, where the method says so.
        method: Its name.
        parameters: Everything else that made it; ``found``: the notes.
        notes: What the method found beside, by name; by class where it went class by class.
    """

    rows: np.ndarray
    gains: np.ndarray
    weights: np.ndarray | None
    method: str
    parameters: Mapping[str, Any]
    notes: Mapping[str, Any] = field(default_factory=dict)

    def selection(self, ids: Sequence[Any] | np.ndarray) -> Selection:
        """The same as every way of choosing answers: a stage and a reason for every row.

        Args:
            ids: n ids, as they were chosen from.
        """
        given = np.asarray(ids, dtype=object)
        n = len(given)
        nothing = np.full(n, None, dtype=object)
        quality = np.zeros(n)
        quality[self.rows] = self.gains
        outcome = Outcome(
            Candidates(given, quality, nothing, np.zeros(n, bool)), int(self.parameters["seed"])
        )
        outcome.rank[self.rows] = np.arange(1, len(self.rows) + 1)
        gains = pa.array([number(gain) for gain in self.gains], pa.string())
        place = whole(np.arange(1, len(self.rows) + 1))
        outcome.put(self.rows, "chosen", join(f"{self.method}: pick ", place, ", gain ", gains))
        left = np.flatnonzero(outcome.rank < 0)
        outcome.put(left, "not chosen", f"{self.method}: not among {len(self.rows):,} picks")
        return outcome.selection({"method": self.method, **self.parameters})


def choose(
    ids: Sequence[Any] | np.ndarray,
    budget: Budget,
    method: str,
    *,
    features: np.ndarray | None = None,
    scores: np.ndarray | None = None,
    labels: Sequence[Any] | np.ndarray | None = None,
    seed: int | np.random.Generator = 0,
    **options: Any,
) -> Coreset:
    """Choose a coreset; the order of the rows, and the global generators, play no part.

    Args:
        ids: n distinct ids.
        budget: How many; met exactly.
        method: One of :func:`selector.coreset.base.methods`.
        features: (n, d) numbers: array, memory map, or what numpy can make one of.
        scores: (n,) difficulty, higher is harder.
        labels: n classes, of any kind.
        seed: Of ties and draws, 0 or more; or a generator, from which one is drawn: it is told
            in ``parameters``.
        **options: Of the method; ``selected`` (where it has that) takes ids that count as picked
            before, and are not picked again.

    Returns:
        The coreset.

    Raises:
        BadInputError: Something is missing that the method needs, a number is not finite, an
            option is out of range, or there are not enough rows; a row is named.
    """
    found = find_method(method)
    options = found.checked(options)
    if not isinstance(budget, Budget):
        raise BadInputError(
            f"the budget is {budget!r}", "Give a Budget, such as Budget(count=100)."
        )
    names = ids_of(ids)
    seed = seed_of(seed)
    refuse_missing(found, features=features, scores=scores, labels=labels)
    classes, class_names = labels_of(labels, len(names))
    pool = Pool(features_of(features, len(names)), scores_of(scores, len(names)), classes)
    order = canonical_order(names, seed)
    selected = located(options, names)
    total = budget.total(len(names) - len(selected), classes, class_names)
    parameters = {"seed": seed, "count": total, **found.defaults, **options}
    if budget.balanced or budget.per_class is not None:
        if len(selected):
            raise BadInputError(
                "what is selected already cannot be told apart by class", "Give a plain count."
            )
        return _by_class(found, pool, order, budget, seed, options, parameters, class_names)
    if len(selected):
        place = np.empty(len(names), dtype=np.int64)
        place[order] = np.arange(len(names))
        options = {**options, "selected": place[selected].tolist()}
    if not total:
        nothing = np.zeros(0, dtype=np.int64)
        return Coreset(nothing, np.zeros(0), None, method, parameters)
    rng = np.random.default_rng([seed, len(names)])
    made = found.pick(_Ordered(pool, order).pool, total, rng, **options)
    parameters |= {"found": dict(made.notes)} if made.notes else {}
    return Coreset(order[made.rows], made.gains, made.weights, method, parameters, made.notes)


def _by_class(
    found: Method,
    pool: Pool,
    order: np.ndarray,
    budget: Budget,
    seed: int,
    options: Mapping[str, Any],
    parameters: Mapping[str, Any],
    class_names: Sequence[Any],
) -> Coreset:
    assert pool.labels is not None
    shares = budget.shares(pool.labels, class_names)
    turns, rows, gains, weights, notes = [], [], [], [], {}
    for number_, share in enumerate(shares.tolist()):
        mine = order[pool.labels[order] == number_]
        if not share or not len(mine):
            continue
        rng = np.random.default_rng([seed, len(mine), number_])
        made = found.pick(_Ordered(pool, mine).pool, share, rng, **options)
        rows.append(mine[made.rows])
        gains.append(made.gains)
        weights.append(made.weights)
        turns.append(np.stack([np.arange(share), np.full(share, number_)], axis=1))
        if made.notes:
            notes[str(class_names[number_])] = made.notes
    if not rows:
        nothing = np.zeros(0, dtype=np.int64)
        return Coreset(nothing, np.zeros(0), None, found.name, parameters, notes)
    parameters = {**parameters, "found": notes} if notes else parameters
    turn = np.concatenate(turns)
    taking = np.lexsort((turn[:, 1], turn[:, 0]))
    joined = None
    if all(one is not None for one in weights):
        joined = np.concatenate([one for one in weights if one is not None])[taking]
    return Coreset(
        np.concatenate(rows)[taking],
        np.concatenate(gains)[taking],
        joined,
        found.name,
        {**parameters, "shares": dict(zip(map(str, class_names), shares.tolist(), strict=True))},
        notes,
    )


class _Ordered:
    """Some rows of a pool in a given order; memory maps are read once, into float32."""

    def __init__(self, pool: Pool, order: np.ndarray) -> None:
        features = None
        if pool.features is not None:
            features = np.empty((len(order), pool.features.shape[1]), dtype=np.float32)
            for start in range(0, len(order), BLOCK):
                part = order[start : start + BLOCK]
                sort = np.argsort(part, kind="stable")  # front to back
                features[start + sort] = pool.features[part[sort]]
        self.pool = Pool(
            features,
            None if pool.scores is None else pool.scores[order],
            None if pool.labels is None else pool.labels[order],
            size=len(order),
        )
