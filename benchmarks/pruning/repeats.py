"""Are duplicates what goes first? Natural ones (links) and planted ones (near copies)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.pruning.corpora import Corpus
from selector.prune.duplicates import find_duplicates
from selector.prune.prototypes import default_prototype_count, fit_prototypes
from selector.prune.rule import keep

SHARES = (0.05, 0.10, 0.15)
THRESHOLDS = (0.99, 0.97, 0.95)
Say = Callable[[str], None]


def repeats(corpus: Corpus, planted: Corpus, say: Say) -> dict[str, Any]:
    """How much of what goes as a duplicate is one, and how many of the duplicates go.

    A row is a spare if another row is the same picture (a link, or the original of a planted copy);
    of each such set one must stay.
    """
    say("duplicates: clip art and planted copies")
    ids = np.concatenate([corpus.ids, planted.ids])
    matrix = np.concatenate([corpus.matrix, planted.matrix])
    same = np.concatenate([corpus.same, planted.same])
    usable = np.concatenate([corpus.usable, planted.usable])
    kind = np.r_[np.zeros(len(corpus.ids), int), np.ones(len(planted.ids), int)]
    count = default_prototype_count(int(usable.sum()))
    found = fit_prototypes(matrix, count, usable=usable)
    labels = np.where(usable, found.labels, -1)
    sizes = np.bincount(same[usable])
    spare = int((sizes[sizes > 1] - 1).sum())
    lines = []
    for wanted in [*({"threshold": t} for t in THRESHOLDS), *({"fraction": s} for s in SHARES)]:
        gone = find_duplicates(matrix, labels, found.distance, ids, **wanted)
        true = same[gone.rows] == same[gone.rivals]
        left = np.setdiff1d(np.flatnonzero(usable), gone.rows)
        remaining = np.bincount(same[left])
        lines.append(
            {
                **wanted,
                "threshold_reached": gone.threshold,
                "gone": len(gone.rows),
                "share": len(gone.rows) / int(usable.sum()),
                "precision": float(true.mean()) if len(true) else None,
                "recall": 1 - float((remaining[remaining > 1] - 1).sum()) / spare,
                "planted_gone": float(_settled(same, kind, left, planted.same)),
            }
        )
    ranked = {
        strategy: _spares_that_go(found.distance, ids, same, strategy)
        for strategy in ("hard", "easy", "random")
    }
    return {
        "rows": int(usable.sum()),
        "spares": spare,
        "planted": len(planted.ids),
        "prototypes": len(found.centres),
        "lines": lines,
        "spares_among_a_fifth_pruned_by_rank": ranked,
    }


def _settled(same: np.ndarray, kind: np.ndarray, left: np.ndarray, planted: np.ndarray) -> float:
    """Share of the planted pairs of which one at most is left."""
    remaining = np.bincount(same[left], minlength=int(same.max()) + 1)
    return float((remaining[planted] <= 1).mean())


def _spares_that_go(
    distance: np.ndarray, ids: np.ndarray, same: np.ndarray, strategy: str
) -> dict[str, float]:
    """Of what pruning a fifth by rank alone removes, how much has its like in the corpus."""
    kept = keep(distance, ids, strategy=strategy, fraction=0.8)  # type: ignore[arg-type]
    sizes = np.bincount(same)
    repeated = sizes[same] > 1
    usable = ~np.isnan(distance)
    return {
        "among_the_removed": float(repeated[kept.removed].mean()),
        "in_the_corpus": float(repeated[usable].mean()),
    }
