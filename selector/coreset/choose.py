"""Choosing by any method of the shelf: checks, order, classes, and the one kind of answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from data_cards.errors import BadInputError
from selector.coreset.base import BLOCK, Method, Pool, Told, find_method
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
from selector.coreset.reasons import Words, joined, tell
from selector.order import canonical_order
from selector.outcome import Outcome
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
        parameters: Everything else that made it; ``found``: the notes; ``found_is``: what they are.
        notes: What the method found beside, by name; by class where it went class by class.
        told: What the method has to say of every row.
        scores: (n,) what it ranked by; ``None``: it needs none.
        groups: (n,) class of each row, where it went class by class.
        group_names: Of the classes.
        size: n, of what it was chosen.
        selected: (m,) positions of what counted as picked before.
    """

    rows: np.ndarray
    gains: np.ndarray
    weights: np.ndarray | None
    method: str
    parameters: Mapping[str, Any]
    notes: Mapping[str, Any] = field(default_factory=dict)
    told: Told = field(default_factory=Told)
    scores: np.ndarray | None = None
    groups: np.ndarray | None = None
    group_names: Sequence[str] = ()
    size: int = 0
    selected: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def selection(self, ids: Sequence[Any] | np.ndarray) -> Selection:
        """The same as every way of choosing answers: a stage and a reason for every row.

        Quality is the score ranked by; there is none where the method needs none.

        Args:
            ids: n ids, as they were chosen from.

        Raises:
            BadInputError: They are not so many.
        """
        given = ids_of(ids)
        n = len(given)
        if n != self.size:
            raise BadInputError(
                f"{n:,} ids, and the choice was made of {self.size:,} rows",
                "Give all the ids that it was made of, in their order.",
            )
        nothing = np.full(n, None, dtype=object)
        quality = np.full(n, np.nan) if self.scores is None else self.scores
        outcome = Outcome(
            Candidates(given, quality, nothing, np.zeros(n, bool)), int(self.parameters["seed"])
        )
        tell(outcome, self, np.arange(n), Words(self.method))
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

    What a method does not need may be given, and is not looked at by it.

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
    if budget.balanced:
        budget.shares(classes)  # there are classes
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
    ranked = pool.scores if "scores" in found.needs else None
    if not total:
        nothing = np.zeros(0, dtype=np.int64)
        return Coreset(
            nothing, np.zeros(0), None, method, parameters, scores=ranked, size=len(names),
            selected=selected,
        )  # fmt: skip
    rng = np.random.default_rng([seed, len(names)])
    made = found.pick(_Ordered(pool, order).pool, total, rng, **options)
    parameters |= _found(found, made.notes)
    return Coreset(
        order[made.rows], made.gains, made.weights, method, parameters, made.notes,
        joined(len(names), [(order, made.told)]), ranked, size=len(names), selected=selected,
    )  # fmt: skip


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
    turns, rows, gains, weights, said = [], [], [], [], []
    notes: dict[str, Mapping[str, Any]] = {}
    names = _texts(class_names)
    ranked = pool.scores if "scores" in found.needs else None
    by_class = order[np.argsort(pool.labels[order], kind="stable")]
    parts = np.split(by_class, np.cumsum(np.bincount(pool.labels)))
    for number_, share in enumerate(shares.tolist()):
        mine = parts[number_]
        if not share or not len(mine):
            continue
        rng = np.random.default_rng([seed, len(mine), number_])
        made = found.pick(_Ordered(pool, mine).pool, share, rng, **options)
        rows.append(mine[made.rows])
        gains.append(made.gains)
        weights.append(made.weights)
        said.append((mine, made.told))
        turns.append(np.stack([np.arange(share), np.full(share, number_)], axis=1))
        if made.notes:
            notes[names[number_]] = made.notes
    if not rows:
        nothing = np.zeros(0, dtype=np.int64)
        return Coreset(
            nothing, np.zeros(0), None, found.name, parameters, notes, Told(), ranked,
            pool.labels, names, len(pool),
        )  # fmt: skip
    parameters = {**parameters, **_found(found, notes)}
    turn = np.concatenate(turns)
    taking = np.lexsort((turn[:, 1], turn[:, 0]))
    stands = None
    if all(one is not None for one in weights):
        stands = np.concatenate([one for one in weights if one is not None])[taking]
    return Coreset(
        np.concatenate(rows)[taking],
        np.concatenate(gains)[taking],
        stands,
        found.name,
        {**parameters, "shares": dict(zip(names, shares.tolist(), strict=True))},
        notes,
        joined(len(pool), said),
        ranked,
        pool.labels,
        names,
        len(pool),
    )


def _texts(names: Sequence[Any]) -> list[str]:
    """A text for each name; where two would have the same, as 1 and "1", all as Python's."""
    texts = [str(name) for name in names]
    return texts if len(set(texts)) == len(texts) else [repr(name) for name in names]


def _found(method: Method, notes: Mapping[str, Any]) -> dict[str, Any]:
    """The notes as parameters, beside what each of them is."""
    return {"found": dict(notes), "found_is": dict(method.finds)} if notes else {}


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
