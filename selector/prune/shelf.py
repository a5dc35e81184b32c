"""A corpus cut down by any method of the coreset shelf, told in the same way as by distance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from data_cards.errors import BadInputError
from selector.coreset import Budget, Coreset, choose
from selector.coreset.base import find_method
from selector.coreset.reasons import Words, tell
from selector.outcome import Outcome
from selector.prune.corpus import Pruned
from selector.prune.duplicates import Duplicates
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
    name: str | None = None,
    scores: np.ndarray | None = None,
    score: str | None = None,
    errors: Sequence[str | None] | None = None,
    classes: np.ndarray | None = None,
    class_names: Sequence[str] = (),
    seed: int = 0,
    told: Mapping[str, Any] | None = None,
) -> Pruned:
    """Choose what stays by a method.

    Quality in the answer is the score ranked by; there is none where the method needs no score.

    Args:
        matrix: (n, d) embeddings, array or memory map.
        ids: (n,) distinct ids.
        budget: How many, of the readable rows.
        method: Of the shelf.
        options: Of the method.
        prototypes: Of these rows, for telling where a row lies.
        name: What reasons call the method; ``None``: by its own name.
        scores: (n,) difficulty, higher is harder; NaN where it is not known.
        score: What reasons call it.
        errors: n reasons why a row could not be read, ``None`` where it could.
        classes: (n,) whole numbers from 0 up; negative: no class.
        class_names: Name of each class; empty: reasons tell its number.
        seed: Of ties and draws.
        told: Further parameters of the selection.

    Returns:
        What stays; every row with its stage and reason. What the method let go for its likeness to
        another row is told as a duplicate.

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
        if len(class_names):
            labels = np.asarray(class_names, dtype=object)[labels]
    chosen = choose(
        ids[rows], budget, method, features=matrix[rows] if "features" in needs else None,
        scores=None if scores is None else scores[rows], labels=labels, seed=seed, **options,
    )  # fmt: skip
    quality = np.full(n, np.nan)
    if chosen.scores is not None:
        quality[rows] = chosen.scores
    outcome = Outcome(Candidates(ids, quality, why, ~usable), seed)
    broken = np.flatnonzero(~usable)
    outcome.put(broken, "failed", pa.array(why[broken].tolist(), pa.string()))
    outcome.cluster[:] = prototypes.labels
    tell(outcome, chosen, rows, Words(name or method, score or "score", "kept by ", "pruned: "))
    ranked = chosen.scores is not None
    parameters = {
        "balance_by": "labels" if by_class else "none",
        "notes": [],
        "prototypes": len(prototypes.centres),
        "objective": prototypes.objective,
        "quality": f"the score {score}, higher is harder" if ranked else "none: no score is needed",
        **dict(told or {}),
        "method": method,
        **dict(chosen.parameters),
    }
    taken = rows[chosen.rows]
    repeats = _repeats(chosen, rows)
    gone = np.setdiff1d(rows, taken)
    if repeats is not None:
        gone = np.setdiff1d(gone, repeats.rows)
    kept = Kept(taken, np.full(len(taken), "rank", dtype=object), gone, broken, {})
    return Pruned(outcome.selection(parameters), prototypes, repeats, kept, len(taken))


def _repeats(chosen: Coreset, rows: np.ndarray) -> Duplicates | None:
    """What went for its likeness to another; ``None`` where the method lets nothing go for that."""
    told = chosen.told
    if told.copy is None or told.rival is None or told.similarity is None or not told.copy.any():
        return None
    gone = np.flatnonzero(told.copy)
    cosine = told.similarity[gone]
    return Duplicates(rows[gone], rows[told.rival[gone]], cosine, float(cosine.min(initial=1.0)))
