"""Random is always in the room: draws by a seeded hash of the id, with and without quotas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from selector.duplicates import NearDuplicate
from selector.greedy import greedy_picks
from selector.order import canonical_order
from selector.outcome import Outcome, check_budget, join, shortfall, whole
from selector.pick import cluster_pool, collapse, described, holder, left_over, put_repeats, seat
from selector.picker import CLUSTER_OPTIONS, QUOTA_OPTIONS, Options, register
from selector.quotas import quotas
from selector.selection import Candidates, Selection


@register
class Random:
    """Uniform draws without replacement."""

    name: ClassVar[str] = "random"
    summary: ClassVar[str] = "drawn at random by the seed, from the whole pool or within quotas"
    uses: ClassVar[frozenset[str]] = (
        CLUSTER_OPTIONS
        | QUOTA_OPTIONS
        | {
            "near_duplicate",
            "quotas",
            "floors",
        }
    )

    def pick(self, candidates: Candidates, budget: int, options: Options) -> Selection:
        """Draw; see :func:`random_selections`."""
        outcome = Outcome(candidates, options.seed)
        eligible = outcome.admit(floors=options.floors)
        if options.floors:
            eligible = collapse(outcome, eligible)
        allowed = np.zeros(len(candidates), dtype=bool)
        allowed[eligible] = True
        drawn = canonical_order(candidates.ids, options.seed, purpose="draw")
        ranked = drawn[allowed[drawn]]
        places = None
        if options.quotas:
            clustering = cluster_pool(outcome, ranked, budget, options)
            seat(outcome, ranked, clustering)
            places = quotas(
                clustering.sizes, budget, tempering=options.tempering, max_share=options.max_share
            )
        picks = greedy_picks(
            ranked,
            budget,
            labels=outcome.cluster if options.quotas else None,
            places=places,
            picked=holder(candidates, ranked, budget, options) if options.floors else None,
        )
        outcome.rank[picks.rows] = np.arange(1, len(picks.rows) + 1)
        said = f"drawn at random (seed {options.seed}): draw "
        ending = f" of {len(picks.rows):,}"
        outcome.put(picks.rows, "chosen", join(said, whole(outcome.rank[picks.rows]), ending))
        put_repeats(outcome, picks)
        rest = left_over(ranked, picks)
        outcome.put(rest, "not chosen", pa.repeat(f"not drawn (seed {options.seed})", len(rest)))
        parameters = {
            **described(self.name, candidates, budget, options),
            "quotas": options.quotas,
            "floors": options.floors,
            "eligible": len(ranked),
            **shortfall(budget, len(picks.rows), len(ranked)),
        }
        if not options.floors:
            parameters["near_duplicate"] = None
        granted = {} if places is None else {c: int(p) for c, p in enumerate(places)}
        return outcome.selection(parameters, granted)


def random_selections(
    candidates: Candidates,
    budget: int,
    seeds: Sequence[int],
    *,
    quotas: bool = False,
    floors: bool = False,
    near_duplicate: NearDuplicate | None = None,
    **options: Any,
) -> list[Selection]:
    """Draw one random selection per seed, as the baseline for a selection of the same budget.

    A draw goes by the hash of id and seed: the order of the rows does not matter, and a sample
    added to the pool changes at most one pick.

    Args:
        candidates: The pool.
        budget: Samples to draw.
        seeds: One selection each.
        quotas: Draw inside the clusters, with the same quotas as the method ``clusters``. The
            pool is clustered once, with seed 0, unless labels are given as ``clusters=``.
        floors: Respect floors and take of equal samples only one. By default everything that
            could be read is in the draw, copies and broken samples included: what somebody gets
            who does not select at all.
        near_duplicate: Pass near-duplicates by (with ``floors`` only).
        **options: Further fields of :class:`selector.picker.Options`.

    Returns:
        One selection per seed; each holds a table of the whole pool.
    """
    check_budget(budget)
    base = Options(quotas=quotas, floors=floors, near_duplicate=near_duplicate, **options)
    if quotas and not isinstance(base.clusters, np.ndarray | list):
        outcome = Outcome(candidates, 0)
        rows = outcome.admit(floors=floors)
        if floors:
            rows = collapse(outcome, rows)
        shared = cluster_pool(outcome, rows, budget, replace(base, seed=0))
        base = replace(base, clusters=shared.labels)
    return [Random().pick(candidates, int(budget), replace(base, seed=seed)) for seed in seeds]
