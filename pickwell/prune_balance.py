"""Balance of a pruned corpus: classes and clusters before and after, in rows that add up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from pickwell.prune_corpus import Corpus
    from pickwell.pruned import PrunedCorpus

GROUPS = 30
"""Groups with a row of their own; of more both ends have one, and all between share one."""


def balance(pictures: Corpus, made: PrunedCorpus, stays: np.ndarray) -> list[dict[str, Any]]:
    """Classes, where there are any, and clusters, each before and after.

    Args:
        pictures: The corpus.
        made: What stays and goes.
        stays: (n,) true where a picture stays.

    Returns:
        For each kind its ``noun``, its ``plural``, ``ends`` (how many rows each end has where there
        are more groups than :data:`GROUPS`, else 0), its ``groups``, those that lost most first,
        and their ``total``, which is that of all pictures that could be read.
    """
    prototypes = made.pruned.prototypes
    by, floors = made.pruned.selection.parameters["balance_by"], made.pruned.kept.floors
    known, found = pictures.readable, []
    if pictures.classes is not None:
        held = floors if by == "labels" else {}
        table = _table("class", pictures.classes, pictures.class_names, known, stays, held)
        found.append({"noun": "class", "plural": "classes"} | table)
    if not prototypes.names:  # class means are the classes
        names = [f"prototype {n}" for n in range(len(prototypes.centres))]
        held = floors if by == "clusters" else {}
        table = _table("cluster", prototypes.labels, names, known, stays, held)
        found.append({"noun": "cluster", "plural": "clusters"} | table)
    return found


def _table(
    noun: str,
    numbers: np.ndarray,
    names: Sequence[str],
    known: np.ndarray,
    stays: np.ndarray,
    floors: dict[int, int],
) -> dict[str, Any]:
    """Rows of the groups, of many both ends and one for all between, and their total."""
    import numpy as np

    inside = known & (numbers >= 0)
    before = np.bincount(numbers[inside], minlength=len(names))
    after = np.bincount(numbers[inside & stays], minlength=len(names))
    order = np.argsort(after / np.maximum(before, 1), kind="stable")
    order = order[before[order] > 0]

    def row(name: str, groups: np.ndarray) -> dict[str, Any]:
        held = [floors[int(n)] for n in groups if int(n) in floors]
        return _row(name, before[groups].sum(), after[groups].sum(), sum(held) if held else None)

    ends = GROUPS // 2 if len(order) > GROUPS else 0
    between = order[ends:-ends] if ends else order[:0]
    first, last = (order[:ends], order[-ends:]) if ends else (order, order[:0])
    rows = [row(names[n], np.array([n])) for n in first]
    if len(between):
        rows.append(row(_others(len(between)), between))
    rows += [row(names[n], np.array([n])) for n in last]
    outside = known & (numbers < 0)
    if outside.any():
        rows.append(_row(f"no {noun}", outside.sum(), (outside & stays).sum(), None))
    held = [line["floor"] for line in rows if line["floor"] is not None]
    total = _row(
        "all", sum(line["before"] for line in rows), sum(line["after"] for line in rows),
        sum(held) if held else None,
    )  # fmt: skip
    return {"ends": ends, "groups": rows, "total": total}


def _others(count: int) -> str:
    """A name for the groups between the ends."""
    return f"... and {count:,} {'other' if count == 1 else 'others'}"


def _row(name: str, before: int, after: int, floor: int | None) -> dict[str, Any]:
    before, after = int(before), int(after)
    share = after / before if before else 0.0
    return {"name": name, "before": before, "after": after, "share": share, "floor": floor}
