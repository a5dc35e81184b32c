"""Adding to a selection without undoing it: earlier picks stay, their clusters count them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data_cards.errors import BadInputError
from selector.clusters import default_cluster_count
from selector.duplicates import exact_keepers
from selector.extension_quotas import extension_quotas
from selector.greedy import Picks, greedy_picks
from selector.near_misses import note_near_misses
from selector.order import merit_order
from selector.outcome import Outcome, check_budget, join, number, shortfall, whole
from selector.pick import cluster_pool, described, left_over, put_repeats, seat
from selector.picker import Options
from selector.repeats import refuse_repeats
from selector.selection import Candidates, Selection

METHODS = ("clusters", "top")


@dataclass(frozen=True)
class Extension:
    """What a selection is extended from: rows of three kinds in one table of candidates.

    Attributes:
        candidates: Earlier picks, new rows, and the rest of the earlier pool, in any order; ids
            are distinct.
        earlier: (k,) positions of the earlier picks, first pick first.
        new: (n,) positions of the new rows; the rest is background: it counts in the sizes of
            the clusters, and is neither chosen nor part of the answer.
        reasons: k reasons of the earlier picks, as they are to be told.
    """

    candidates: Candidates
    earlier: np.ndarray
    new: np.ndarray
    reasons: list[str]


def extend(task: Extension, budget: int, *, method: str = "clusters", **options: Any) -> Selection:
    """Choose ``budget`` new rows beside the earlier picks.

    All rows are clustered together. The places of a cluster are its share of earlier picks and
    budget together, by its size, less the earlier picks that it holds. They are filled with its
    best new rows, near-duplicates (of earlier picks and of each other) passed by.

    Args:
        task: Who is there.
        budget: New samples wanted, at least 1; fewer are taken where fewer can be, and
            ``parameters["shortfall"]`` says so.
        method: ``"clusters"``, or ``"top"`` (the best new rows, whatever their content).
        **options: Fields of :class:`selector.picker.Options`; a number of clusters is for all
            picks together.

    Returns:
        Earlier picks first, in their order; then the new ones in theirs; then every new row that
        was not chosen. Permuting the rows changes nothing.

    Raises:
        BadInputError: If an argument is out of range or the method cannot extend.
    """
    check_budget(budget)
    if method not in METHODS:
        raise BadInputError(
            f"method {method!r} cannot add to a selection", f"Use one of: {', '.join(METHODS)}."
        )
    chosen = replace(Options(), **options)
    candidates, earlier = task.candidates, np.asarray(task.earlier, dtype=np.int64)
    outcome = Outcome(candidates, chosen.seed)
    ranked = _admit(task, outcome)
    kept = _collapse(task, outcome, ranked)
    is_new = np.zeros(len(candidates), dtype=bool)
    is_new[task.new] = True
    picked = refuse_repeats(outcome, kept[is_new[kept]], earlier, budget, chosen)
    fresh = kept[is_new[kept] & (outcome.rival[kept] < 0)]
    repeats = int(np.isin(outcome.rival[task.new], earlier).sum())
    total = len(earlier) + budget
    places: np.ndarray | None = None
    parameters: dict[str, Any] = {}
    if method == "clusters":
        if chosen.clusters is None:
            chosen = replace(chosen, clusters=default_cluster_count(total, max(len(kept), 1)))
        clustering = cluster_pool(outcome, kept, total, chosen)
        seat(outcome, kept, clustering)
        kinds = len(clustering.sizes)
        places = extension_quotas(
            clustering.sizes,
            np.bincount(outcome.cluster[earlier], minlength=kinds),
            np.bincount(outcome.cluster[fresh], minlength=kinds),
            budget,
            tempering=chosen.tempering,
        )
        parameters = {
            "clusters": kinds,
            "algorithm": clustering.algorithm,
            "space": clustering.space,
            "image_weight": chosen.image_weight if clustering.space == "both" else None,
            "cluster_without_vector": clustering.without_vector,
            "tempering": chosen.tempering,
        }
    picks = greedy_picks(fresh, budget, labels=outcome.cluster, places=places, picked=picked)
    outcome.rank[earlier] = np.arange(1, len(earlier) + 1)
    outcome.rank[picks.rows] = np.arange(len(earlier) + 1, len(earlier) + len(picks.rows) + 1)
    outcome.put(earlier, "chosen", pa.array(task.reasons, pa.string()))
    held = _tell(outcome, fresh, earlier, picks, places)
    note_near_misses(outcome, fresh, [*earlier.tolist(), *picks.rows], chosen)
    if len(picks.rows) < budget and repeats:
        parameters["message"] = (
            f"{repeats:,} of the {len(task.new):,} new rows repeat what was chosen before"
        )
    parameters |= {
        **described(method, candidates, budget, chosen),
        "pool": len(task.new),
        "earlier": len(earlier),
        "added": len(picks.rows),
        "refills": len(picks.rows) - picks.by_quota,
        "eligible": len(fresh),
        "repeats_of_earlier": repeats,
        **shortfall(budget, len(picks.rows), len(fresh)),
    }
    granted = {} if places is None else {c: int(held[c] + p) for c, p in enumerate(places)}
    return _without_background(outcome, task, parameters, granted)


def _admit(task: Extension, outcome: Outcome) -> np.ndarray:
    """Earlier picks in their order, new rows by quality, the background by quality."""
    admitted = outcome.admit()
    kind = np.full(len(task.candidates), 2, dtype=np.int8)
    kind[task.new] = 1
    kind[task.earlier] = 0
    quality = np.asarray(task.candidates.quality, dtype=np.float64)
    # A floor or an import may have changed since: what was picked stays picked.
    rest = admitted[kind[admitted] > 0]
    new, background = (merit_order(quality, rest[kind[rest] == k]) for k in (1, 2))
    return np.concatenate([np.asarray(task.earlier, dtype=np.int64), new, background])


def _collapse(task: Extension, outcome: Outcome, ranked: np.ndarray) -> np.ndarray:
    """One row stands for equal ones: an earlier pick before a new row, that before background."""
    kept, keeper = exact_keepers(task.candidates.content, ranked)
    stays = np.zeros(len(task.candidates), dtype=bool)
    stays[kept] = True
    stays[task.earlier] = True
    is_new = np.zeros(len(task.candidates), dtype=bool)
    is_new[task.new] = True
    before = np.zeros(len(task.candidates), dtype=bool)
    before[task.earlier] = True
    copies = (keeper != ranked) & is_new[ranked]
    rows, stands = ranked[copies], keeper[copies]
    outcome.rival[rows] = stands
    outcome.similarity[rows] = 1.0
    for earlier, ending in (
        (True, ", which was chosen before"),
        (False, ", which stands for both (quality first)"),
    ):
        part = before[stands] == earlier
        said = join("same content as ", outcome.name(stands[part]), ending)
        outcome.put(rows[part], "duplicate", said)
    return ranked[stays[ranked]]


def _tell(
    outcome: Outcome,
    fresh: np.ndarray,
    earlier: np.ndarray,
    picks: Picks,
    places: np.ndarray | None,
) -> np.ndarray:
    """Stage and reason of all new rows; earlier picks per cluster."""
    quality = np.asarray(outcome.candidates.quality, dtype=np.float64)
    put_repeats(outcome, picks)
    rest = left_over(fresh, picks)
    if places is None:
        last = number(quality[picks.rows].min()) if picks.rows else "-"
        place = np.empty(len(outcome.candidates), dtype=np.int64)
        place[fresh] = np.arange(1, len(fresh) + 1)
        total = f" of {len(fresh):,} new ones"
        chosen = [f"quality {number(quality[r])}: place {place[r]:,}{total}" for r in picks.rows]
        outcome.put(picks.rows, "chosen", pa.array(chosen, pa.string()))
        ending = f"{total}; the last of the {len(picks.rows):,} added had quality {last}"
        outcome.put(rest, "not chosen", join("place ", whole(place[rest]), ending))
        return np.zeros(0, dtype=np.int64)
    held = np.bincount(outcome.cluster[earlier], minlength=len(places))
    state = [
        f"cluster {c}: {held[c]:,} chosen before, {_count(int(places[c]))} for new ones"
        for c in range(len(places))
    ]
    reasons = []
    for at, row in enumerate(picks.rows):
        why = "best new one of" if at < picks.by_quota else "refill, among the best of the rest:"
        reasons.append(f"{why} {state[outcome.cluster[row]]}; quality {number(quality[row])}")
    outcome.put(picks.rows, "chosen", pa.array(reasons, pa.string()))
    of_cluster = pa.array(state, pa.string()).take(pa.array(outcome.cluster[rest]))
    full = places[outcome.cluster[rest]] == 0
    for part, said in (
        (full, "what was chosen before holds the share of its content: "),
        (~full, "other new ones were better in "),
    ):
        mine = of_cluster.filter(pa.array(part))
        outcome.put(rest[part], "not chosen", join(said, mine))
    return held


def _without_background(
    outcome: Outcome, task: Extension, parameters: dict[str, Any], granted: dict[int, int]
) -> Selection:
    selection = outcome.selection(parameters, granted)
    shown = outcome.name(np.concatenate([task.earlier, task.new]))
    table = selection.table.filter(pc.is_in(selection.table["id"], value_set=shown))
    return replace(selection, table=table.combine_chunks())


def _count(places: int) -> str:
    return {0: "no place", 1: "1 place"}.get(places, f"{places:,} places")
