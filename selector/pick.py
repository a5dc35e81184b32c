"""Choosing for a budget: best of each cluster, or simply the best."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from data_cards.counted import counted
from selector.clusters import Clustering, cluster, default_cluster_count, given_clusters
from selector.duplicates import PickedVectors, exact_keepers
from selector.greedy import Picks, greedy_picks
from selector.near_misses import note_near_misses
from selector.outcome import Outcome, check_budget, join, number, shortfall, whole
from selector.picker import CLUSTER_OPTIONS, QUOTA_OPTIONS, Options, find_picker, register
from selector.quotas import quotas
from selector.selection import Candidates, Selection
from selector.vectors import resolve_space


def select(
    candidates: Candidates,
    budget: int,
    *,
    method: str = "clusters",
    **options: Any,
) -> Selection:
    """Choose ``budget`` samples and say why, for every row.

    Args:
        candidates: The pool, rows in any order.
        budget: Samples wanted, at least 1. Where fewer can be chosen all of them are taken, and
            ``parameters["shortfall"]`` says so.
        method: A name in :func:`selector.picker.registry`: ``clusters``, ``top``, ``random``,
            ``release``, or a method of the shelf, with its options behind a colon or as ``own``:
            ``graph-cut:neighbours=8``.
        **options: Fields of :class:`selector.picker.Options`.

    Returns:
        The selection: the same ids in the same order, however the rows are permuted (but for
        ``release``, whose ties go by file order).

    Raises:
        BadInputError: If an argument is out of range, or an option means nothing to the method.
    """
    check_budget(budget)
    picker, chosen = find_picker(method, Options(**options))
    return picker.pick(candidates, int(budget), chosen)


@register
class Clusters:
    """Places for every cluster by its size, filled with its best samples."""

    name: ClassVar[str] = "clusters"
    summary: ClassVar[str] = (
        "the best of each cluster of content, places by cluster size, near-duplicates passed by"
    )
    uses: ClassVar[frozenset[str]] = (
        CLUSTER_OPTIONS
        | QUOTA_OPTIONS
        | {
            "near_duplicate",
            "near_misses",
        }
    )

    def pick(self, candidates: Candidates, budget: int, options: Options) -> Selection:
        """Choose; see :func:`select`."""
        outcome = Outcome(candidates, options.seed)
        ranked = collapse(outcome, outcome.admit())
        clustering = cluster_pool(outcome, ranked, budget, options)
        seat(outcome, ranked, clustering)
        places = quotas(
            clustering.sizes, budget, tempering=options.tempering, max_share=options.max_share
        )
        picks = greedy_picks(
            ranked,
            budget,
            labels=outcome.cluster,
            places=places,
            picked=holder(candidates, ranked, budget, options),
        )
        _explain_clusters(outcome, ranked, clustering.sizes, places, picks)
        note_near_misses(outcome, ranked, picks.rows, options)
        parameters = {
            **described(self.name, candidates, budget, options),
            "clusters": len(clustering.sizes),
            "algorithm": clustering.algorithm,
            "space": clustering.space,
            "image_weight": options.image_weight if clustering.space == "both" else None,
            "cluster_without_vector": clustering.without_vector,
            "tempering": options.tempering,
            "max_share": options.max_share,
            "refills": len(picks.rows) - picks.by_quota,
            "eligible": len(ranked),
            **shortfall(budget, len(picks.rows), len(ranked)),
        }
        return outcome.selection(parameters, {c: int(p) for c, p in enumerate(places)})


@register
class Top:
    """The highest quality, whatever the content."""

    name: ClassVar[str] = "top"
    summary: ClassVar[str] = "the highest quality of the whole pool, near-duplicates passed by"
    uses: ClassVar[frozenset[str]] = frozenset(
        ["space", "image_weight", "near_duplicate", "near_misses", "seed"]
    )

    def pick(self, candidates: Candidates, budget: int, options: Options) -> Selection:
        """Choose; see :func:`select`."""
        outcome = Outcome(candidates, options.seed)
        ranked = collapse(outcome, outcome.admit())
        picks = greedy_picks(ranked, budget, picked=holder(candidates, ranked, budget, options))
        quality = np.asarray(candidates.quality, dtype=np.float64)
        place = np.empty(len(candidates), dtype=np.int64)
        place[ranked] = np.arange(1, len(ranked) + 1)
        outcome.rank[picks.rows] = np.arange(1, len(picks.rows) + 1)
        total = f"{len(ranked):,}"
        outcome.put(
            picks.rows,
            "chosen",
            pa.array(
                [
                    f"quality {number(quality[r])}: place {place[r]:,} of {total}"
                    for r in picks.rows
                ],
                pa.string(),
            ),
        )
        put_repeats(outcome, picks)
        rest = left_over(ranked, picks)
        last = number(quality[picks.rows].min()) if picks.rows else "-"
        outcome.put(
            rest,
            "not chosen",
            join(
                "place ",
                whole(place[rest]),
                f" of {total}; the last of the {len(picks.rows):,} taken had quality {last}",
            ),
        )
        note_near_misses(outcome, ranked, picks.rows, options)
        parameters = {
            **described(self.name, candidates, budget, options),
            "eligible": len(ranked),
            **shortfall(budget, len(picks.rows), len(ranked)),
        }
        return outcome.selection(parameters)


def collapse(outcome: Outcome, ranked: np.ndarray) -> np.ndarray:
    """Let the best of equal samples stand for them all; settle the others as duplicates."""
    kept, keeper = exact_keepers(outcome.candidates.content, ranked)
    copies = keeper != ranked
    rows, stands = ranked[copies], keeper[copies]
    outcome.rival[rows] = stands
    outcome.similarity[rows] = 1.0
    outcome.put(
        rows,
        "duplicate",
        join("same content as ", outcome.name(stands), ", which stands for both (quality first)"),
    )
    return kept


def cluster_pool(outcome: Outcome, ranked: np.ndarray, budget: int, options: Options) -> Clustering:
    """Cluster what may be chosen: as told, or by the budget; without vectors, one cluster."""
    candidates = outcome.candidates
    if isinstance(options.clusters, np.ndarray | list):
        return given_clusters(np.asarray(options.clusters), ranked, len(candidates))
    space = resolve_space(candidates, options.space)
    if space is None:
        labels = np.full(len(candidates), -1, dtype=np.int32)
        labels[ranked] = 0
        sizes = np.array([len(ranked)] if len(ranked) else [], dtype=np.int64)
        return Clustering(labels, sizes, "none: there are no vectors")
    eligible = np.zeros(len(candidates), dtype=bool)
    eligible[ranked] = True
    count = options.clusters
    return cluster(
        candidates,
        ranked,
        default_cluster_count(budget, len(ranked)) if count is None else int(count),
        space=space,
        algorithm=options.algorithm,
        image_weight=options.image_weight,
        seed=options.seed,
        order=outcome.order[eligible[outcome.order]],
    )


def seat(outcome: Outcome, ranked: np.ndarray, clustering: Clustering) -> None:
    """Note cluster and place in the cluster; an exact copy lies where its keeper lies."""
    outcome.cluster[:] = clustering.labels
    copies = np.flatnonzero((outcome.rival >= 0) & (outcome.cluster < 0))
    outcome.cluster[copies] = outcome.cluster[outcome.rival[copies]]
    labels = clustering.labels[ranked]
    by_cluster = np.argsort(labels, kind="stable")
    first = np.concatenate([[0], np.cumsum(np.bincount(labels, minlength=1))[:-1]])
    outcome.cluster_rank[ranked[by_cluster]] = (
        np.arange(len(ranked)) - first[labels[by_cluster]] + 1
    )


def holder(
    candidates: Candidates, ranked: np.ndarray, budget: int, options: Options
) -> PickedVectors | None:
    """An empty holder for the picks, where near-duplicates matter and vectors exist."""
    if options.near_duplicate is None:
        return None
    if candidates.image_vectors is None and candidates.text_vectors is None:
        return None
    return PickedVectors(candidates, min(budget, len(ranked)), options.near_duplicate)


def left_over(ranked: np.ndarray, picks: Picks) -> np.ndarray:
    """What may be chosen, less what was picked or passed by."""
    settled = np.zeros(int(ranked.max()) + 1 if len(ranked) else 0, dtype=bool)
    settled[picks.rows] = True
    settled[picks.repeats] = True
    return ranked[~settled[ranked]]


def put_repeats(outcome: Outcome, picks: Picks) -> None:
    """Settle the near-duplicates."""
    outcome.rival[picks.repeats] = picks.rivals
    outcome.similarity[picks.repeats] = picks.similarities
    texts = pa.array([f": cosine {value:.3f}" for value in picks.similarities], pa.string())
    rivals = outcome.name(np.asarray(picks.rivals, dtype=np.int64))
    outcome.put(
        picks.repeats,
        "duplicate",
        join("near-duplicate of ", rivals, ", which was picked before it", texts),
    )


def described(name: str, candidates: Candidates, budget: int, options: Options) -> dict[str, Any]:
    """The parameters that all methods share."""
    near = options.near_duplicate
    vectors = [
        kind for kind in ("image", "text") if getattr(candidates, f"{kind}_vectors") is not None
    ]
    return {
        "method": name,
        "budget": budget,
        "pool": len(candidates),
        "seed": options.seed,
        "near_duplicate": {k: v for k, v in asdict(near).items() if k in vectors} if near else None,
    }


def _explain_clusters(
    outcome: Outcome, ranked: np.ndarray, sizes: np.ndarray, places: np.ndarray, picks: Picks
) -> None:
    """Rank, stage and reason of all rows that may be chosen."""
    quality = np.asarray(outcome.candidates.quality, dtype=np.float64)
    outcome.rank[picks.rows] = np.arange(1, len(picks.rows) + 1)
    taken = np.zeros(len(sizes), dtype=np.int64)
    last = np.full(len(sizes), np.nan)
    reasons = []
    for at, row in enumerate(picks.rows):
        c = outcome.cluster[row]
        taken[c] += 1
        last[c] = quality[row] if taken[c] == 1 else min(last[c], quality[row])
        if at < picks.by_quota:
            reasons.append(
                f"best of cluster {c} ({counted(sizes[c], 'sample')}, {_count(places[c])}): "
                f"quality {number(quality[row])}, place {taken[c]:,} of {places[c]:,}"
            )
        else:
            reasons.append(
                f"refill: near-duplicates left {len(picks.rows) - picks.by_quota:,} of the places "
                f"empty, and this is among the best of the rest: quality {number(quality[row])}, "
                f"cluster {c} ({counted(sizes[c], 'sample')}, {_count(places[c])})"
            )
    outcome.put(picks.rows, "chosen", pa.array(reasons, pa.string()))
    put_repeats(outcome, picks)
    endings = [
        f" in cluster {c}, which had {_count(places[c])}"
        + (f"; the last one taken had quality {number(last[c])}" if taken[c] else "")
        for c in range(len(sizes))
    ]
    rest = left_over(ranked, picks)
    ending = pa.array(endings, pa.string()).take(pa.array(outcome.cluster[rest]))
    outcome.put(rest, "not chosen", join("place ", whole(outcome.cluster_rank[rest]), ending))


def _count(places: int) -> str:
    return {0: "no place", 1: "1 place"}.get(int(places), f"{places:,} places")
