"""``prune --by METHOD``: a method of the shelf in place of the ranking by distance."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from data_cards.errors import BadInputError
from pickwell.config import PruneConfig
from pickwell.pruned import PrunedCorpus

if TYPE_CHECKING:
    import numpy as np

    from finetune.reduce import Entry
    from pickwell.prune_corpus import Corpus, Progress
    from selector.prune.kmeans import Passes
    from selector.prune.prototypes import Prototypes

EPOCHS, RUNS = 10, 5
"""Of the linear proxy on the stored vectors that scores come from."""


def prune_by_method(
    pictures: Corpus,
    folder: Path,
    settings: PruneConfig,
    on_progress: Progress,
    over: Passes | None = None,
) -> PrunedCorpus:
    """Decide what stays by a method, told as any other pruning is.

    Args:
        pictures: The corpus.
        folder: Where the result will lie.
        settings: How; ``settings.by`` is ``METHOD[:SCORE][:OPTION=VALUE,...]``.
        on_progress: Called with stage, done and expected count.
        over: Goes over the readable pictures' vectors elsewhere, for k-means.

    Raises:
        BadInputError: The method or its score needs classes and there are none, or an option
            means nothing to it.
    """
    from finetune.reduce import parse_entry
    from selector.coreset import Budget
    from selector.prune.corpus import PruneOptions, find_prototypes
    from selector.prune.shelf import prune_by

    assert settings.by is not None
    entry = parse_entry(settings.by, "prototype")
    balanced = settings.balance_by == "labels"
    if settings.per_class is not None:
        budget = Budget(per_class=settings.per_class)
        if pictures.classes is not None:
            budget.shares(
                pictures.classes[pictures.readable & (pictures.classes >= 0)], pictures.class_names
            )  # one that is too small is named before anything is computed
    elif settings.count is not None:
        budget = Budget(count=settings.count, balanced=balanced)
    else:
        budget = Budget(fraction=settings.keep, balanced=balanced)
    options = PruneOptions(
        prototypes=settings.prototypes, supervised=settings.supervised, seed=settings.seed
    )
    prototypes = find_prototypes(
        pictures.matrix, options, pictures.readable, pictures.classes, on_progress, over
    )
    scores, error = None, None
    if entry.score is not None:
        scores, error = _scores(pictures, entry, prototypes, settings, on_progress)
    told: dict[str, str | float] = {"score": entry.score} if entry.score else {}
    if error is not None:
        told["score_error"] = error
    pruned = prune_by(
        pictures.matrix, pictures.ids, budget, entry.method, entry.options,
        prototypes=prototypes, scores=scores, errors=pictures.errors, classes=pictures.classes,
        seed=settings.seed, told=told,
    )  # fmt: skip
    why = f"--by {settings.by}; whether it beats random, pickwell benchmark tells."
    if error is not None:
        why += f" The standard error of one picture's score is {error:.2f} at most."
    return PrunedCorpus(folder, pruned, f"by {entry.name}", why, None, [], None)


def _scores(
    pictures: Corpus,
    entry: Entry,
    prototypes: Prototypes,
    settings: PruneConfig,
    on_progress: Progress,
) -> tuple[np.ndarray, float | None]:
    """(n,) difficulty, NaN where it is not known; and its standard error, if that is known."""
    import numpy as np

    from scoring.dynamics import Recipe
    from scoring.dynamics.named import NAMED, Proxy
    from scoring.dynamics.proxies import centred, linear

    if entry.score == "prototype" and not settings.supervised:
        return prototypes.distance, None
    if pictures.classes is None:
        raise BadInputError(
            f"The score {entry.score} comes from classes, and the data have none.",
            "Rank by prototype instead, or name the column of classes with --columns label=NAME.",
        )
    if entry.score not in NAMED:
        from selector.prune.class_means import class_means

        found = class_means(pictures.matrix, pictures.classes, usable=pictures.readable)
        return found.distance, None
    rows = np.flatnonzero(pictures.readable & (pictures.classes >= 0))
    _, labels = np.unique(pictures.classes[rows], return_inverse=True)
    features = np.asarray(pictures.matrix[rows], dtype=np.float32)
    features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    with tempfile.TemporaryDirectory(prefix="pickwell-") as folder:
        proxy = Proxy(
            linear(features.shape[1], int(labels.max()) + 1), centred(features), labels,
            pictures.ids[rows].tolist(), Recipe(epochs=EPOCHS, batch_size=64, learning_rate=0.1),
            range(settings.seed, settings.seed + RUNS), "linear", Path(folder),
            on_progress=on_progress,
        )  # fmt: skip
        made = np.full(len(pictures.ids), np.nan)
        made[rows] = proxy.score(entry.score)
        return made, proxy.standard_error(entry.score)
