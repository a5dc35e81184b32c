"""The published selection rule of InstructionGPT-4, to the letter, on any scores and clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pyarrow as pa

from data_cards.errors import BadInputError
from selector.clusters import given_clusters
from selector.outcome import Outcome, check_budget, join, number
from selector.pick import cluster_pool, seat
from selector.picker import Options, register
from selector.selection import Candidates, Selection

CLUSTERS = 10
"""Clusters of the release: spectral, nearest-neighbour affinity, seed 0."""


def release_picks(
    scores: np.ndarray,
    clusters: np.ndarray,
    budget: int,
    *,
    oversample: int = 204,
    cluster_order: Sequence[int] | None = None,
) -> tuple[np.ndarray, dict[int, int]]:
    """The rule itself, on rows in file order.

    Cluster c gives its first n_c = max(1, floor(204 |c| / n)) rows in the order of the score cut
    to a whole number (towards zero), largest first, ties as they stand in the file. All are put
    together in the order of the clusters, sorted by the cut score again (stable), and the first
    ``budget`` are kept. Source: code of ``waltonfuture/InstructionGPT-4`` (arXiv 2308.12067).

    Args:
        scores: (n,) finite scores, higher is better.
        clusters: (n,) whole labels.
        budget: Rows to keep.
        oversample: 204 in the release, chosen so that its ten floors add up to its budget of 200.
        cluster_order: The labels in file order, which decides ties between clusters; ascending
            where it is not given.

    Returns:
        Kept positions in file order; label to n_c. Fewer than ``budget`` where the n_c add up to
        fewer: the rule has no refill.
    """
    n = len(scores)
    cut = np.trunc(np.asarray(scores, dtype=np.float64))
    labels = np.unique(clusters).tolist() if cluster_order is None else list(cluster_order)
    if set(labels) != set(np.unique(clusters).tolist()) or len(labels) != len(set(labels)):
        raise BadInputError(
            "cluster_order does not name every cluster once", "Give each label once."
        )
    granted: dict[int, int] = {}
    merged: list[np.ndarray] = []
    for label in labels:
        rows = np.flatnonzero(clusters == label)
        granted[int(label)] = max(1, oversample * len(rows) // n)
        merged.append(rows[np.argsort(-cut[rows], kind="stable")][: granted[int(label)]])
    together = np.concatenate(merged) if merged else np.zeros(0, dtype=np.int64)
    return np.sort(together[np.argsort(-cut[together], kind="stable")][:budget]), granted


def select_release(
    scores: np.ndarray,
    clusters: np.ndarray,
    budget: int = 200,
    *,
    oversample: int = 204,
    ids: Sequence[str] | np.ndarray | None = None,
    cluster_order: Sequence[int] | None = None,
) -> Selection:
    """Choose by the published rule; see :func:`release_picks`.

    Args:
        scores: (n,) scores in file order; rows with NaN are set aside first (stage "floored").
        clusters: (n,) whole labels from 0 up.
        budget: Rows to keep.
        oversample: The constant of the rule.
        ids: n ids; the positions as text where they are not given.
        cluster_order: See :func:`release_picks`.

    Returns:
        A selection whose ranks follow the file order, as the release writes its result.
    """
    n = len(scores)
    names = np.asarray([str(i) for i in (range(n) if ids is None else ids)], dtype=object)
    candidates = Candidates(
        names, np.asarray(scores, dtype=np.float64), np.full(n, None), np.zeros(n, dtype=bool)
    )
    options = Options(clusters=np.asarray(clusters), oversample=oversample)
    return _pick(candidates, budget, options, cluster_order)


@register
class Release:
    """The published rule, with its truncated scores, floors and file-order ties."""

    name: ClassVar[str] = "release"
    summary: ClassVar[str] = (
        "the published InstructionGPT-4 rule to the letter (ties by file order)"
    )
    uses: ClassVar[frozenset[str]] = frozenset(["clusters", "oversample"])

    def pick(self, candidates: Candidates, budget: int, options: Options) -> Selection:
        """Choose; without given clusters, 10 spectral ones of the images, as published."""
        return _pick(candidates, budget, options, None)


def _pick(
    candidates: Candidates, budget: int, options: Options, cluster_order: Sequence[int] | None
) -> Selection:
    check_budget(budget)
    outcome = Outcome(candidates, options.seed)
    ranked = outcome.admit()
    rows = np.sort(ranked)
    if isinstance(options.clusters, np.ndarray | list):
        clustering = given_clusters(np.asarray(options.clusters), rows, len(candidates))
    else:
        image = candidates.image_vectors is not None
        count = CLUSTERS if options.clusters is None else options.clusters
        clustering = cluster_pool(
            outcome,
            ranked,
            budget,
            replace(
                options,
                clusters=count,
                algorithm="spectral",
                space="image" if image else None,
            ),
        )
    seat(outcome, ranked, clustering)
    quality = np.asarray(candidates.quality, dtype=np.float64)
    labels = clustering.labels[rows]
    kept, granted = release_picks(
        quality[rows], labels, budget, oversample=options.oversample, cluster_order=cluster_order
    )
    picks = rows[kept]
    _explain(outcome, rows, picks, granted, budget)
    parameters = {
        "method": "release",
        "budget": budget,
        "pool": len(candidates),
        "seed": options.seed,
        "oversample": options.oversample,
        "clusters": int((clustering.sizes > 0).sum()),
        "algorithm": clustering.algorithm,
        "space": clustering.space,
        "eligible": len(rows),
    }
    if len(picks) < budget:
        parameters["shortfall"] = (
            f"{budget:,} asked for, {len(picks):,} taken: the places of the rule add up to "
            f"{sum(granted.values()):,}, and it has no refill"
        )
    return outcome.selection(parameters, granted)


def _explain(
    outcome: Outcome, rows: np.ndarray, picks: np.ndarray, granted: dict[int, int], budget: int
) -> None:
    """Stage and reason, in the terms of the rule."""
    quality = np.asarray(outcome.candidates.quality, dtype=np.float64)
    outcome.rank[picks] = np.arange(1, len(picks) + 1)
    labels = range(max(granted, default=-1) + 1)
    first_of = pa.array([f" {granted.get(c, 0):,} of cluster {c}" for c in labels], pa.string())

    def say(part: np.ndarray, ending: str) -> pa.Array:
        told = [f"score {number(q)}, cut to {np.trunc(q):.0f}" for q in quality[part]]
        where = first_of.take(pa.array(outcome.cluster[part]))
        return join(pa.array(told, pa.string()), ": one of the first", where, ending)

    outcome.put(picks, "chosen", say(picks, ""))
    rest = rows[outcome.rank[rows] < 0]
    first = np.zeros(len(outcome.candidates), dtype=bool)
    for c, places in granted.items():
        members = rows[outcome.cluster[rows] == c]
        first[members[np.argsort(-np.trunc(quality[members]), kind="stable")][:places]] = True
    beaten = rest[first[rest]]
    outcome.put(
        beaten,
        "not chosen",
        say(beaten, f", but not among the first {budget:,} when the clusters are put together"),
    )
    others = rest[~first[rest]]
    lowest = np.full(len(first_of), np.nan)
    for row in picks:
        c = outcome.cluster[row]
        lowest[c] = np.fmin(lowest[c], np.trunc(quality[row]))
    last = pa.array(
        ["" if np.isnan(v) else f"; the last one taken had {v:.0f}" for v in lowest], pa.string()
    )
    home = pa.array(outcome.cluster[others])
    cut = pa.array([f"{value:.0f}" for value in np.trunc(quality[others])], pa.string())
    reasons = join(
        "score cut to ", cut, ": not among the first", first_of.take(home), last.take(home)
    )
    outcome.put(others, "not chosen", reasons)
