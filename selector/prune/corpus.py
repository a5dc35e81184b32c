"""A corpus pruned: duplicates first, then the rest ranked by distance to their prototypes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from data_cards.counted import counted
from data_cards.errors import BadInputError
from selector.outcome import Outcome, join, whole
from selector.prune.class_means import class_means
from selector.prune.duplicates import Duplicates, First, find_duplicates
from selector.prune.kmeans import Passes
from selector.prune.prototypes import Prototypes, default_prototype_count, fit_prototypes
from selector.prune.rule import Kept, Strategy, keep, keep_count
from selector.selection import Candidates, Selection

Balance = Literal["labels", "clusters", "none"]
Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class PruneOptions:
    """How to prune.

    Attributes:
        keep: Share of the readable rows that stays, in [0, 1]; or
        count: how many stay, which goes before the share.
        strategy: Which are kept first.
        prototypes: k; ``None``: see :func:`selector.prune.prototypes.default_prototype_count`.
        supervised: Class means rather than k-means; rows without a class cannot be kept.
        balance_by: What the floor is for.
        balance: Floor of each class or cluster, as a share of the equal share, in [0, 1].
        random_share: Part of what stays that is drawn at random, in [0, 1].
        duplicates: Cosine from which rows of a cluster are duplicates; or
        duplicates_share: the share of the rows that goes as duplicates; ``None`` both: none do.
        duplicates_first: Which of a group of duplicates stays.
        chains: Whether duplicates that went let others go, too.
        iterations: Of k-means, at most.
        seed: Of all draws and ties.
    """

    keep: float = 0.8
    count: int | None = None
    strategy: Strategy = "hard"
    prototypes: int | None = None
    supervised: bool = False
    balance_by: Balance = "none"
    balance: float = 0.5
    random_share: float = 0.0
    duplicates: float | None = None
    duplicates_share: float | None = None
    duplicates_first: First = "hard"
    chains: bool = False
    iterations: int = 100
    seed: int = 0


@dataclass(frozen=True)
class Pruned:
    """What came of it.

    Attributes:
        selection: Every row with its stage and reason; the kept ones in order.
        prototypes: What the difficulty was measured from.
        duplicates: What went because something like it stays; ``None``: not looked for.
        kept: What stays, and why.
        wanted: Rows that were to stay; fewer do where too many are duplicates.
    """

    selection: Selection
    prototypes: Prototypes
    duplicates: Duplicates | None
    kept: Kept
    wanted: int


def prune(
    matrix: np.ndarray,
    ids: np.ndarray,
    options: PruneOptions,
    *,
    errors: Sequence[str | None] | None = None,
    classes: np.ndarray | None = None,
    class_names: Sequence[str] = (),
    content: np.ndarray | None = None,
    prototypes: Prototypes | None = None,
    repeats: Duplicates | None = None,
    over: Passes | None = None,
    on_progress: Progress = lambda stage, done, total: None,
) -> Pruned:
    """Prune a corpus.

    Args:
        matrix: (n, d) embeddings, array or memory map.
        ids: (n,) distinct ids.
        options: How.
        errors: n reasons why a row could not be read, ``None`` where it could.
        classes: (n,) whole numbers from 0 up; negative: no class.
        class_names: Name of each class.
        content: (n,) ``uint64``, equal where the bytes are.
        prototypes: Of these very rows, where they are known already.
        repeats: What goes as a duplicate, where it is known already; ``None``: looked for as the
            options say.
        over: Goes over the readable rows of ``matrix`` elsewhere, for k-means.
        on_progress: Called with stage, done and expected count.

    Returns:
        What stays; its order does not depend on that of the rows.

    Raises:
        BadInputError: An option is outside its range, or classes are wanted and there are none.
    """
    failed = np.array([error is not None for error in errors or [None] * len(ids)], dtype=bool)
    if classes is None and (options.supervised or options.balance_by == "labels"):
        raise BadInputError(
            "there are no classes to take means of, or to balance by",
            "Name their column with --columns label=NAME, or put each of two or more into a "
            "folder; or leave --supervised out and balance by clusters (--balance-by clusters).",
        )
    if prototypes is None:
        prototypes = find_prototypes(matrix, options, ~failed, classes, on_progress, over)
    usable = ~np.isnan(prototypes.distance)
    if not usable.any():
        raise BadInputError("no row has an embedding", "Look at the reasons of the bad rows.")
    wanted = options.count
    wanted = keep_count(int(usable.sum()), options.keep) if wanted is None else wanted
    asked = duplicate_options(options)
    if repeats is None and asked is not None:
        repeats = find_duplicates(
            matrix, np.where(usable, prototypes.labels, -1), prototypes.distance, ids,
            **asked, seed=options.seed, on_progress=on_progress,
        )  # fmt: skip
    left = prototypes.distance.copy()
    if repeats is not None:
        left[repeats.rows] = np.nan
    able = int((~np.isnan(left)).sum())
    if wanted > int(usable.sum()):
        raise BadInputError(
            f"{wanted:,} of {int(usable.sum()):,} readable pictures cannot be kept",
            "Ask for fewer with --count.",
        )
    groups = None
    if options.balance_by != "none":
        groups = classes if options.balance_by == "labels" else prototypes.labels
    kept = keep(
        left, ids, strategy=options.strategy, count=min(wanted, able), groups=groups,
        balance=options.balance, random_share=options.random_share, content=content,
        seed=options.seed,
    )  # fmt: skip
    table = _Telling(ids, prototypes, kept, repeats, options, class_names)
    selection = table.selection(errors, failed, groups, wanted, able)
    return Pruned(selection, prototypes, repeats, kept, wanted)


def duplicate_options(options: PruneOptions) -> dict[str, Any] | None:
    """How :func:`find_duplicates` looks for duplicates; ``None``: they are not looked for."""
    if options.duplicates is None and options.duplicates_share is None:
        return None
    return {
        "threshold": options.duplicates,
        "fraction": options.duplicates_share,
        "first": options.duplicates_first,
        "chains": options.chains,
    }


def find_prototypes(
    matrix: np.ndarray,
    options: PruneOptions,
    usable: np.ndarray,
    classes: np.ndarray | None,
    on_progress: Progress = lambda stage, done, total: None,
    over: Passes | None = None,
) -> Prototypes:
    """Class means, or k-means with as many prototypes as asked for or usual."""
    if options.supervised and classes is not None:
        return class_means(matrix, classes, usable=usable)
    return fit_prototypes(
        matrix, prototype_count(options, usable, classes), usable=usable, seed=options.seed,
        iterations=options.iterations, over=over, on_progress=on_progress,
    )  # fmt: skip


def prototype_count(options: PruneOptions, usable: np.ndarray, classes: np.ndarray | None) -> int:
    """How many prototypes :func:`find_prototypes` asks for."""
    known = 0 if classes is None else len(np.unique(classes[(classes >= 0) & usable]))
    if options.supervised and known:
        return known
    return options.prototypes or default_prototype_count(int(usable.sum()), known)


class _Telling:
    """Stages and reasons of all rows, in words."""

    def __init__(
        self,
        ids: np.ndarray,
        prototypes: Prototypes,
        kept: Kept,
        repeats: Duplicates | None,
        options: PruneOptions,
        class_names: Sequence[str],
    ) -> None:
        self.ids, self.prototypes, self.kept, self.repeats = ids, prototypes, kept, repeats
        self.options, self.class_names = options, class_names
        distance = prototypes.distance
        order = np.argsort(-distance, kind="stable")  # NaN last; equal distances share a place
        order = order[: int((~np.isnan(distance)).sum())]
        ranked = distance[order]
        first = np.r_[True, ranked[1:] != ranked[:-1]] if len(ranked) else np.zeros(0, bool)
        self.place = np.zeros(len(ids), dtype=np.int64)
        self.place[order] = np.maximum.accumulate(np.where(first, np.arange(1, len(order) + 1), 0))
        self.rows = len(order)

    def selection(
        self,
        errors: Sequence[str | None] | None,
        failed: np.ndarray,
        groups: np.ndarray | None,
        wanted: int,
        able: int,
    ) -> Selection:
        prototypes, kept, n = self.prototypes, self.kept, len(self.ids)
        reasons = np.array(errors if errors is not None else [None] * n, dtype=object)
        without = np.isnan(prototypes.distance) & ~failed
        reasons[without] = "no embedding" if not self.options.supervised else "no class"
        broken = failed | without
        outcome = Outcome(Candidates(self.ids, self._quality(), reasons, broken), self.options.seed)
        rows = np.flatnonzero(broken)
        outcome.put(rows, "failed", pa.array(reasons[rows].tolist(), pa.string()))
        outcome.cluster[:] = prototypes.labels
        outcome.rank[kept.rows] = np.arange(1, len(kept.rows) + 1)
        outcome.put(kept.rows, "chosen", self._why_kept(groups))
        gone = kept.removed
        told = join("pruned: ", self._where(gone), self._last())
        outcome.put(gone, "not chosen", told)
        if self.repeats is not None:
            repeats = self.repeats
            outcome.rival[repeats.rows] = repeats.rivals
            outcome.similarity[repeats.rows] = repeats.similarity
            cosine = pa.array(
                [f": cosine {value:.3f}" for value in repeats.similarity], pa.string()
            )
            outcome.put(
                repeats.rows,
                "duplicate",
                join("duplicate of ", outcome.name(repeats.rivals), " in its cluster", cosine),
            )
        return outcome.selection(self._parameters(wanted, able))

    def _quality(self) -> np.ndarray:
        """Higher is kept sooner; difficulty itself where the strategy does not rank."""
        distance = self.prototypes.distance
        if self.options.strategy == "easy":
            return -distance
        if self.options.strategy == "moderate":
            middle = (self.rows + 1) / 2
            return np.where(np.isnan(distance), np.nan, -np.abs(self.place - middle) / self.rows)
        return distance

    def _where(self, rows: np.ndarray) -> pa.Array:
        """``distance 0.312 to prototype 12, place 812 of 19,000 from the hardest``."""
        distance = pa.array([f"{v:.3f}" for v in self.prototypes.distance[rows]], pa.string())
        named = whole(self.prototypes.labels[rows])
        if self.prototypes.names:  # class means
            lookup = [self._class(number) for number in self.prototypes.names]
            named = pa.array([lookup[label] for label in self.prototypes.labels[rows]], pa.string())
        what = " to the mean of " if self.prototypes.names else " to prototype "
        ending = f" of {self.rows:,} from the hardest"
        return join("distance ", distance, what, named, ", place ", whole(self.place[rows]), ending)

    def _why_kept(self, groups: np.ndarray | None) -> pa.Array:
        strategy, rows = self.options.strategy, self.kept.rows
        ranked = {
            "hard": "kept, far from its prototype: ",
            "easy": "kept, near its prototype: ",
            "moderate": "kept, in the middle: ",
            "random": "kept, drawn at random: ",
        }[strategy]
        words = []
        for row, why in zip(rows, self.kept.why, strict=True):
            if why == "random":
                words.append("kept, drawn at random from the rest: ")
            elif why == "floor" and groups is not None:
                group = int(groups[row])
                name = self._class(group) if self.options.balance_by == "labels" else f"{group}"
                what = "class" if self.options.balance_by == "labels" else "cluster"
                words.append(f"kept for the floor of {what} {name}: ")
            else:
                words.append(ranked)
        return join(pa.array(words, pa.string()), self._where(rows))

    def _last(self) -> str:
        """Where the ranking ended."""
        last = self.kept.last
        if last is None or self.options.strategy == "random":
            return ""
        what = "beside the floors" if "floor" in self.kept.why else "by rank"
        return f"; the last one kept {what} has place {self.place[last]:,}"

    def _class(self, number: int) -> str:
        return self.class_names[number] if 0 <= number < len(self.class_names) else str(number)

    def _parameters(self, wanted: int, able: int) -> dict[str, Any]:
        told = {key: value for key, value in asdict(self.options).items() if value is not None}
        told |= {
            "prototypes": len(self.prototypes.centres),
            "objective": self.prototypes.objective,
            "iterations": self.prototypes.iterations,
            "notes": list(self.prototypes.remarks),
        }
        if self.repeats is not None:
            reached = self.repeats.threshold
            told["duplicates_threshold"] = reached if np.isfinite(reached) else None
        if able < wanted:
            short = counted(able, "picture")
            told["shortfall"] = f"{wanted:,} asked for, {short} left when duplicates had gone"
        return told
