"""``prune --by METHOD``: a method of the shelf in place of the ranking by distance."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from pickwell.config import PruneConfig
from pickwell.pruned import ByMethod, PrunedCorpus

if TYPE_CHECKING:
    import numpy as np

    from finetune.reduce import Entry
    from pickwell.prune_corpus import Corpus, Progress
    from selector.prune.kmeans import Passes
    from selector.prune.prototypes import Prototypes

EPOCHS, RUNS = 10, 5
"""Of the linear proxy on the stored vectors that scores come from."""
NO_PART = "They tell where a picture lies, and play no part in the choice."
"""Of prototypes beside a method that does not rank by them."""


@dataclass(frozen=True)
class _Scores:
    """A score of all pictures.

    Attributes:
        values: (n,) difficulty, NaN where it is not known; ``None``: the method needs none.
        error: The largest standard error of one picture's, if that is known.
        remarks: Sentences on what was not as asked for.
    """

    values: np.ndarray | None
    error: float | None = None
    remarks: tuple[str, ...] = ()


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
    from selector.coreset.base import find_method
    from selector.prune.corpus import PruneOptions, find_prototypes
    from selector.prune.shelf import prune_by

    assert settings.by is not None
    entry = parse_entry(settings.by, "prototype")
    if settings.supervised and entry.score == "prototype":
        entry = replace(entry, score="class-mean")  # the prototypes are those of the classes
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
    found = _Scores(None)
    if entry.score is not None:
        found = _scores(pictures, entry, prototypes, settings, on_progress)
    scores, error = found.values, found.error
    told: dict[str, Any] = {"by": entry.name}
    if entry.score:
        told["score"] = entry.score
    if error is not None:
        told["score_error"] = error
    needs = find_method(entry.method).needs
    ours = scores is prototypes.distance
    by = ByMethod(entry.name, entry.score, scores, needs, ours, _shares(settings))
    told["notes"] = list(found.remarks)
    if not ours:
        told["prototypes_role"] = NO_PART
    pruned = prune_by(
        pictures.matrix, pictures.ids, budget, entry.method, entry.options,
        prototypes=prototypes, name=entry.name, scores=scores, score=entry.score,
        errors=pictures.errors, classes=pictures.classes, class_names=pictures.class_names,
        seed=settings.seed, told=told,
    )  # fmt: skip
    asks = "; whether it beats random, pickwell benchmark tells"
    why = f"--by {entry.name}{'' if entry.method == 'random' else asks}."
    if error is not None:
        why += f" The standard error of one picture's score is {error:.2f} at most."
    return PrunedCorpus(folder, pruned, f"by {entry.name}", why, None, [], None, by=by)


def _shares(settings: PruneConfig) -> str:
    """What of each class was asked for."""
    if settings.per_class is not None:
        return f"{settings.per_class:,} of each"
    return "divided as they are large" if settings.balance_by == "labels" else ""


def _scores(
    pictures: Corpus,
    entry: Entry,
    prototypes: Prototypes,
    settings: PruneConfig,
    on_progress: Progress,
) -> _Scores:
    """The score that an entry names, of all pictures."""
    import numpy as np

    from scoring.dynamics import Recipe
    from scoring.dynamics.catalogue import doubts
    from scoring.dynamics.named import NAMED, SUBSETS, Proxy
    from scoring.dynamics.proxies import centred, linear, unit_rows

    if entry.score == ("class-mean" if settings.supervised else "prototype"):
        return _Scores(prototypes.distance, remarks=prototypes.remarks)
    if pictures.classes is None:
        raise BadInputError(
            f"The score {entry.score} comes from classes, and the data have none.",
            "Rank by prototype instead, or name the column of classes with --columns label=NAME.",
        )
    if entry.score not in NAMED:
        from selector.prune.class_means import class_means

        found = class_means(pictures.matrix, pictures.classes, usable=pictures.readable)
        return _Scores(found.distance, remarks=found.remarks)
    rows = np.flatnonzero(pictures.readable & (pictures.classes >= 0))
    _, labels = np.unique(pictures.classes[rows], return_inverse=True)
    features = unit_rows(pictures.matrix[rows])
    with tempfile.TemporaryDirectory(prefix="pickwell-") as folder:
        proxy = Proxy(
            linear(features.shape[1], int(labels.max()) + 1), centred(features), labels,
            pictures.ids[rows].tolist(), Recipe(epochs=EPOCHS, batch_size=64, learning_rate=0.1),
            range(settings.seed, settings.seed + RUNS), "linear", Path(folder),
            on_progress=on_progress,
        )  # fmt: skip
        made = np.full(len(pictures.ids), np.nan)
        made[rows] = proxy.score(entry.score)
        runs = f"{RUNS} starts"
        if entry.score == "memorization":
            runs = f"{SUBSETS} trainings on seven tenths"
        came = f"The score {entry.score} comes from a linear layer on the vectors"
        came += f": {runs}, of {EPOCHS} epochs."
        return _Scores(made, proxy.standard_error(entry.score), (came, *doubts([entry.score])))
