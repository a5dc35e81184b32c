"""How much hangs on the number of prototypes: the same pruning with a tenth and ten times as many.

The paper finds its outcome insensitive within a factor of ten (Sorscher et al. 2022,
arXiv 2206.14486); here it is looked at for the corpus at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from selector.prune.corpus import PruneOptions, prune
from selector.prune.duplicates import Duplicates
from selector.prune.kmeans import Passes
from selector.prune.probe import Probe, accuracy

FACTORS = (0.1, 0.3, 1.0, 3.0, 10.0)


@dataclass(frozen=True)
class Robustness:
    """One number of prototypes.

    Attributes:
        prototypes: How many there were.
        overlap: Share of the rows kept at the number in question that are kept here, too.
        by_chance: The overlap that random picks of the same size would have.
        accuracy: Of a probe on what is kept here; ``None`` without classes, or where nothing that
            is kept may be trained on.
        objective: Mean distance to the nearest prototype.
    """

    prototypes: int
    overlap: float
    by_chance: float
    accuracy: float | None
    objective: float


def over_prototypes(
    matrix: np.ndarray,
    ids: np.ndarray,
    options: PruneOptions,
    kept: np.ndarray,
    prototypes: int,
    *,
    errors: Sequence[str | None] | None = None,
    classes: np.ndarray | None = None,
    content: np.ndarray | None = None,
    train_test: tuple[np.ndarray, np.ndarray] | None = None,
    probe: Probe = "linear",
    factors: Sequence[float] = FACTORS,
    repeats: Duplicates | None = None,
    over: Passes | None = None,
    on_progress: Callable[[str, int, int | None], None] = lambda stage, done, total: None,
) -> list[Robustness]:
    """Prune with other numbers of prototypes; what went as a duplicate goes each time.

    Args:
        matrix: (n, d) embeddings.
        ids: (n,) distinct ids.
        options: As the corpus was pruned; class means have no number to change.
        kept: (m,) positions of what was kept with ``prototypes`` of them.
        prototypes: The number in question.
        errors: As in :func:`selector.prune.corpus.prune`, as ``classes``.
        classes: (n,) whole numbers.
        content: (n,) ``uint64``, equal where the bytes are: ties go as they went before.
        train_test: Positions that a probe may learn from and is tested on; ``None``: no probe.
        probe: The kind.
        factors: Of the number in question; what comes to less than 2 or more than the rows is
            left out.
        repeats: What went as a duplicate before ``kept`` was chosen.
        over: Goes over the readable rows of ``matrix`` elsewhere, for k-means.
        on_progress: Called with stage, done and expected count.

    Returns:
        One entry for each number, the smallest first.
    """
    base = replace(options, duplicates=None, duplicates_share=None, supervised=False)
    rows = len(ids) - sum(error is not None for error in errors or ())
    able = rows - (0 if repeats is None else len(repeats.rows))
    counts = sorted({round(factor * prototypes) for factor in factors})
    counts = [count for count in counts if 2 <= count <= rows]
    found, before = [], set(kept.tolist())
    for number, count in enumerate(counts):
        made = prune(
            matrix, ids, replace(base, prototypes=count), errors=errors, classes=classes,
            content=content, repeats=repeats, over=over,
        )  # fmt: skip
        mine = made.kept.rows
        right = None
        if train_test is not None and classes is not None:
            train = np.intersect1d(mine, train_test[0])
            if len(train):
                right = accuracy(matrix, classes, train, train_test[1], probe=probe)
        found.append(
            Robustness(
                prototypes=len(made.prototypes.centres),
                overlap=len(before & set(mine.tolist())) / max(1, len(before)),
                by_chance=len(mine) / max(1, able),
                accuracy=right,
                objective=made.prototypes.objective,
            )
        )
        on_progress("other numbers of prototypes", number + 1, len(counts))
    return found
