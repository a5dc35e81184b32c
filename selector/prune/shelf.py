"""A corpus cut down by any method of the coreset shelf, told in the same way as by distance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from data_cards.errors import BadInputError
from selector.coreset import Budget, choose
from selector.coreset.base import find_method
from selector.outcome import Outcome, join, number, whole
from selector.prune.corpus import Pruned
from selector.prune.prototypes import Prototypes
from selector.prune.rule import Kept
from selector.selection import Candidates


def prune_by(
    matrix: np.ndarray,
    ids: np.ndarray,
    budget: Budget,
    method: str,
    options: Mapping[str, Any],
    *,
    prototypes: Prototypes,
    scores: np.ndarray | None = None,
    errors: Sequence[str | None] | None = None,
    classes: np.ndarray | None = None,
    seed: int = 0,
    told: Mapping[str, Any] | None = None,
) -> Pruned:
    """Choose what stays by a method.

    Args:
        matrix: (n, d) embeddings, array or memory map.
        ids: (n,) distinct ids.
        budget: How many, of the readable rows.
        method: Of the shelf.
        options: Of the method.
        prototypes: Of these rows, for telling where a row lies.
        scores: (n,) difficulty, higher is harder; NaN where it is not known.
        errors: n reasons why a row could not be read, ``None`` where it could.
        classes: (n,) whole numbers from 0 up; negative: no class.
        seed: Of ties and draws.
        told: Further parameters of the selection.

    Returns:
        What stays; every row with its stage and reason.

    Raises:
        BadInputError: See :func:`selector.coreset.choose.choose`.
    """
    n = len(ids)
    failed = np.array([error is not None for error in errors or [None] * n], dtype=bool)
    usable = ~np.isnan(prototypes.distance) & ~failed
    why = np.array(errors if errors is not None else [None] * n, dtype=object)
    why[~usable & ~failed] = "no embedding"
    needs = find_method(method).needs
    if scores is not None and "scores" in needs:
        lost = usable & np.isnan(scores)
        why[lost] = "no score"
        usable &= ~lost
    by_class = budget.per_class is not None or budget.balanced
    if classes is not None and ("labels" in needs or by_class):
        lost = usable & (classes < 0)
        why[lost] = "no class"
        usable &= ~lost
    rows = np.flatnonzero(usable)
    if not len(rows):
        raise BadInputError("no row can be chosen", "Look at the reasons of the bad rows.")
    labels = None
    if classes is not None and (classes[rows] >= 0).all():
        labels = classes[rows]
    chosen = choose(
        ids[rows], budget, method, features=matrix[rows],
        scores=None if scores is None else scores[rows], labels=labels, seed=seed, **options,
    )  # fmt: skip
    taken = rows[chosen.rows]
    quality = np.where(usable, prototypes.distance if scores is None else scores, np.nan)
    outcome = Outcome(Candidates(ids, quality, why, ~usable), seed)
    broken = np.flatnonzero(~usable)
    outcome.put(broken, "failed", pa.array(why[broken].tolist(), pa.string()))
    outcome.cluster[:] = prototypes.labels
    outcome.rank[taken] = np.arange(1, len(taken) + 1)
    gains = pa.array([number(gain) for gain in chosen.gains], pa.string())
    place = whole(np.arange(1, len(taken) + 1))
    outcome.put(taken, "chosen", join(f"kept by {method}: pick ", place, ", gain ", gains))
    gone = np.setdiff1d(rows, taken)
    far = pa.array([f"{value:.3f}" for value in prototypes.distance[gone]], pa.string())
    left = f"pruned: not among the {len(taken):,} picks of {method}; distance "
    outcome.put(gone, "not chosen", join(left, far, " to its prototype"))
    parameters = {
        "balance_by": "labels" if by_class else "none",
        "notes": list(prototypes.remarks),
        "prototypes": len(prototypes.centres),
        "objective": prototypes.objective,
        **dict(told or {}),
        "method": method,
        **dict(chosen.parameters),
    }
    kept = Kept(taken, np.full(len(taken), "rank", dtype=object), gone, broken, {})
    return Pruned(outcome.selection(parameters), prototypes, None, kept, len(taken))
