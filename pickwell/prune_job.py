"""``prune``: embed a corpus of pictures, rank it by distance to its prototypes, keep a share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickwell.config import PruneConfig
from pickwell.on_ray import cluster, passes
from pickwell.prune_by import prune_by_method
from pickwell.prune_checks import refuse_amount, refuse_one_class, settings_of
from pickwell.prune_corpus import RUN, Corpus, Progress, corpus_of, open_corpus
from pickwell.pruned import PrunedCorpus

if TYPE_CHECKING:
    from data_cards.source import Source
    from selector.prune.corpus import Pruned, PruneOptions
    from selector.prune.kmeans import Passes
    from selector.prune.pilot import Pilot
    from selector.prune.robust import Robustness

CURVE = (0.2, 0.4, 0.6, 0.8)
"""Kept fractions that probes are tried at beside the one asked for."""


def prune(
    corpus: str | Path,
    out: str | Path,
    *,
    config: PruneConfig | None = None,
    on_progress: Progress = lambda stage, done, total: None,
    on_source: Callable[[Source], None] = lambda source: None,
    **options: Any,
) -> PrunedCorpus:
    """Prune a corpus of pictures into the folder ``out``.

    Args:
        corpus: A folder, file or ``hf://owner/name``; or a corpus that was pruned before, whose
            vectors are taken as they are, so that another share runs no model.
        out: Folder for ``kept.txt``, ``removed.txt``, ``selection.parquet``, ``report.html``, a
            card, a manifest and ``run/``; a pruned corpus that is there is replaced.
        config: All options at once; ``options`` override single fields, e.g. ``keep=0.5``.
        on_progress: Called with stage, done and expected count.
        on_source: Called when the format is recognised.
        **options: Single fields of :class:`~pickwell.config.PruneConfig`.

    Returns:
        What stays, and the evidence.

    Raises:
        BadInputError: Where corpus or options cannot be used.
    """
    from pickwell.prune_files import write_folder
    from pickwell.prune_remarks import lost_classes
    from pickwell.pruned_before import home_of, told_anew, was_pruned
    from pickwell.selection_files import replaced_folder
    from pickwell.selection_job import refuse_foreign_selection

    settings = settings_of(config, options)
    folder = Path(out)
    refuse_foreign_selection(folder)
    with replaced_folder(folder) as work, cluster(settings, work):
        run, source, settings = open_corpus(
            corpus, work / RUN, settings, on_progress=on_progress, on_source=on_source
        )
        pictures = corpus_of(run, settings.group)
        over = passes(pictures, settings)
        made = prune_pictures(pictures, folder, settings, on_progress, over)
        anew = [told_anew(Path(corpus), run, settings)] if was_pruned(corpus) else []
        made = made.with_notes(pictures.notes)
        made = replace(
            made, remarks=(*anew, *lost_classes(pictures, made.pruned, made.by is not None))
        )
        write_folder(work, run, source, pictures, made, settings, on_progress, home_of(corpus))
    return made


def prune_pictures(
    pictures: Corpus,
    folder: Path,
    settings: PruneConfig,
    on_progress: Progress,
    over: Passes | None = None,
) -> PrunedCorpus:
    """Decide what stays, and gather the evidence; nothing is written.

    Args:
        pictures: The corpus.
        folder: Where the result will lie.
        settings: How.
        on_progress: Called with stage, done and expected count.
        over: Goes over the readable pictures' vectors elsewhere, for k-means.
    """
    from selector.prune.corpus import find_prototypes
    from selector.prune.corpus import prune as decide
    from selector.prune.duplicates import recall

    refuse_one_class(settings, pictures.distinct_classes)
    refuse_amount(settings, _able(pictures, settings), "readable picture")
    if settings.by is not None:
        return prune_by_method(pictures, folder, settings, on_progress, over)
    wanted = _options(settings, pictures)
    pilot = run_probes(pictures, settings, wanted, on_progress)
    strategy, why = settings.strategy, _said_of_given(pictures, settings, pilot)
    if strategy == "auto":
        decided = pilot or _unprobed(pictures, settings, wanted)
        strategy, why = decided.strategy, decided.why
    wanted = replace(wanted, strategy=strategy)
    prototypes = find_prototypes(
        pictures.matrix, wanted, pictures.readable, pictures.classes, on_progress, over
    )
    pruned = decide(
        pictures.matrix, pictures.ids, wanted, errors=pictures.errors, classes=pictures.classes,
        class_names=pictures.class_names, content=pictures.content, prototypes=prototypes,
        on_progress=on_progress,
    )  # fmt: skip
    found = None
    if pruned.duplicates is not None and isfinite(pruned.duplicates.threshold):
        found = recall(
            pictures.matrix, prototypes.labels, pictures.ids, pruned.duplicates.threshold,
            seed=settings.seed,
        )  # fmt: skip
    others = _robustness(pictures, settings, wanted, pruned, on_progress, over)
    return PrunedCorpus(folder, pruned, strategy, why, pilot, others, found)


def _able(pictures: Corpus, settings: PruneConfig) -> int:
    """How many pictures could stay."""
    usable = pictures.readable
    if settings.supervised and pictures.classes is not None:
        usable = usable & (pictures.classes >= 0)
    return int(usable.sum())


def run_probes(
    pictures: Corpus, settings: PruneConfig, wanted: PruneOptions, on_progress: Progress
) -> Pilot | None:
    """Probes on what each strategy would keep; ``None`` where there is nothing to learn."""
    from selector.prune.corpus import duplicate_options
    from selector.prune.pilot import LEAST, STRATEGIES, run_pilot

    classes = pictures.classes
    if settings.probe == "none" or classes is None:
        return None
    usable = pictures.readable
    known = int((usable & (classes >= 0)).sum())
    if known < 2 * LEAST or pictures.distinct_classes < 2:
        return None
    rows = int(usable.sum())
    share = settings.keep if settings.count is None else min(1.0, settings.count / rows)
    strategies = (*STRATEGIES, "moderate") if settings.strategy == "moderate" else STRATEGIES
    return run_pilot(
        pictures.matrix, classes, pictures.ids, fraction=share, usable=usable,
        groups=pictures.groups, supervised=settings.supervised, prototypes=settings.prototypes,
        balance=0.0 if wanted.balance_by == "none" else settings.balance,
        balance_by="clusters" if wanted.balance_by == "clusters" else "labels",
        random_share=settings.random_share, duplicates=duplicate_options(wanted),
        fractions=CURVE, seeds=settings.probe_seeds, probe=settings.probe, seed=settings.seed,
        on_progress=on_progress, strategies=strategies,
    )  # fmt: skip


ROBUST_UP_TO = 200_000
"""Pictures above which other numbers of prototypes are tried only when asked for: they cost 14
times the k-means itself, whose own cost rises faster than the pictures do."""


def _robustness(
    pictures: Corpus,
    settings: PruneConfig,
    wanted: PruneOptions,
    pruned: Pruned,
    on_progress: Progress,
    over: Passes | None,
) -> list[Robustness]:
    """The same with other numbers of prototypes."""
    from selector.prune.probe import split_rows
    from selector.prune.robust import over_prototypes

    asked = settings.robust
    if asked is None:
        asked = int(pictures.readable.sum()) <= ROBUST_UP_TO
    if not asked or settings.supervised or wanted.strategy == "random":
        return []
    divided = None
    if pictures.classes is not None and settings.probe != "none":
        divided = split_rows(
            pictures.ids, pictures.classes, pictures.readable, groups=pictures.groups,
            seed=settings.seed,
        )  # fmt: skip
        divided = divided if all(map(len, divided)) else None
    return over_prototypes(
        pictures.matrix, pictures.ids, wanted, pruned.kept.rows,
        len(pruned.prototypes.centres), errors=pictures.errors, classes=pictures.classes,
        content=pictures.content, train_test=divided,
        probe="linear" if settings.probe == "none" else settings.probe,
        repeats=pruned.duplicates, over=over, on_progress=on_progress,
    )  # fmt: skip


def _options(settings: PruneConfig, pictures: Corpus) -> PruneOptions:
    """What the decision needs, ``auto`` put in words."""
    from selector.prune.corpus import PruneOptions

    by = settings.balance_by
    if by == "auto":
        by = "labels" if pictures.distinct_classes > 1 else "clusters"
    return PruneOptions(
        keep=settings.keep,
        count=settings.count,
        prototypes=settings.prototypes,
        supervised=settings.supervised,
        balance_by=by,
        balance=settings.balance,
        random_share=settings.random_share,
        duplicates=settings.duplicates,
        duplicates_share=settings.duplicates_share,
        duplicates_first=settings.duplicates_first,
        chains=settings.chains,
        seed=settings.seed,
    )


def _said_of_given(pictures: Corpus, settings: PruneConfig, pilot: Pilot | None) -> str:
    """What probes say of the strategy that was given, or that it was not tested, and why not."""
    given = f"--strategy {settings.strategy} was given."
    if pilot is not None:
        return f"{given} {pilot.verdict(settings.strategy)}"
    what = "hard or easy is" if settings.strategy == "random" else "it is"
    return (
        f"{given} Whether {what} better than random was not tested on this corpus, as "
        f"{_why_unprobed(pictures, settings)}."
    )


def _unprobed(pictures: Corpus, settings: PruneConfig, wanted: PruneOptions) -> Pilot:
    """What ``auto`` does where no probe was trained: it goes by the amount of data."""
    from selector.prune.corpus import prototype_count
    from selector.prune.pilot import by_amount

    count = prototype_count(wanted, pictures.readable, pictures.classes)
    reason = _why_unprobed(pictures, settings)
    return by_amount(int(pictures.readable.sum()), count, reason)


def _why_unprobed(pictures: Corpus, settings: PruneConfig) -> str:
    """Why no probe was trained, and what would have one trained."""
    from selector.prune.pilot import LEAST, NO_CLASSES

    if pictures.classes is None:
        return NO_CLASSES
    if pictures.distinct_classes < 2:
        return "all pictures are of one class; with two or more probes test it"
    few = int((pictures.readable & (pictures.classes >= 0)).sum()) < 2 * LEAST
    if settings.probe == "none" and not few:
        return "--probe none was given; without it probes test it"
    return (
        "too few pictures could be trained and tested on; probes want two classes, "
        f"{2 * LEAST:,} pictures with a class, and {LEAST:,} to train on after whole groups are "
        "held out"
    )
