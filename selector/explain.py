"""Why this one, and why not that one: a selection's answer about one sample, in plain lines."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from data_cards.counted import counted
from data_cards.errors import BadInputError
from selector.outcome import number
from selector.selection import Selection

SEARCHED_IDS = 50_000
"""Ids compared letter by letter when an unknown one is asked for; of more, those as long."""
SHOWN = 5


@dataclass(frozen=True)
class Explanation:
    """What a selection says about one sample.

    Attributes:
        id: The sample.
        stage: Where it ended; one of :data:`selector.selection.STAGES`.
        lines: Plain text, the most important first.
    """

    id: str
    stage: str
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.lines)


def explain(selection: Selection, id: str) -> Explanation:
    """Say why a sample was chosen or not.

    Args:
        selection: The answer of any picker.
        id: The sample's id.

    Raises:
        BadInputError: If the selection has no such id; names the closest ones, and where all are.
    """
    table = selection.table
    at = pc.index(table["id"], str(id)).as_py()
    if at < 0:
        close = _closest(table["id"], str(id))
        near = "The closest ids are" if close else "Ids look like this"
        search = "" if _pruned(selection) else ", and the search of report.html finds them"
        shown = close or table["id"].slice(0, SHOWN).to_pylist()
        raise BadInputError(
            f"no sample has the id {id!r}",
            f"{near}: {', '.join(shown)}. All are in the column `id` of selection.parquet{search}.",
        )
    row = table.slice(at, 1).to_pylist()[0]
    picked = pc.sum(pc.equal(table["stage"], "chosen")).as_py() or 0
    head = f"{row['id']}: {row['stage']}"
    if row["rank"] is not None:
        head += f", pick {row['rank']:,} of {picked:,}"
    # what prune ranks by is no quality, and its reason tells the distance already
    stands = [] if _pruned(selection) else _standing(table, row)
    lines = [head, row["reason"], *stands, *_rival(selection, row), *_copies(table, row)]
    return Explanation(row["id"], row["stage"], tuple(lines))


def _pruned(selection: Selection) -> bool:
    """Whether it is a corpus of pictures that was pruned: its rows lie at prototypes."""
    return "prototypes" in selection.parameters


def _standing(table: pa.Table, row: dict[str, Any]) -> list[str]:
    """Where its quality stands in the pool and in its cluster."""
    if row["quality"] is None:
        return []
    rated = table["quality"].drop_null()
    better = pc.sum(pc.greater(rated, row["quality"])).as_py()
    have = "has" if better == 1 else "have"
    line = (
        f"quality {number(row['quality'])}: {better:,} of {counted(len(rated), 'sample')} "
        f"{have} a higher one"
    )
    if row["cluster_rank"] is not None:
        line += f"; place {row['cluster_rank']:,} of cluster {row['cluster']}"
    return [line]


def _rival(selection: Selection, row: dict[str, Any]) -> list[str]:
    """The sample that stands in its place."""
    if row["rival"] is None:
        return []
    table = selection.table
    other = table.slice(pc.index(table["id"], row["rival"]).as_py(), 1).to_pylist()[0]
    known = other["quality"] is not None and not _pruned(selection)
    quality = f", quality {number(other['quality'])}" if known else ""
    rank = f", pick {other['rank']:,}" if other["rank"] is not None else f", {other['stage']}"
    who = f"{other['id']}{rank}{quality}"
    cosine = f"cosine {row['similarity']:.3f}"
    if row["stage"] == "duplicate":
        stands = "it is represented by" if other["stage"] == "chosen" else "it is like"
        return [f"{stands} {who}; {cosine}"]
    return [f"the most similar chosen sample: {who}; {cosine}"]


def _copies(table: pa.Table, row: dict[str, Any]) -> list[str]:
    """What it stands for."""
    of_it = pc.fill_null(pc.equal(table["rival"], row["id"]), False)
    copies = table.filter(pc.and_(of_it, pc.equal(table["stage"], "duplicate")))["id"].to_pylist()
    if not copies:
        return []
    many = "a duplicate" if len(copies) == 1 else f"{len(copies):,} duplicates"
    more = f" and {len(copies) - SHOWN:,} more" if len(copies) > SHOWN else ""
    listed = f"{', '.join(copies[:SHOWN])}{more}"
    if row["stage"] == "chosen":
        return [f"it stands for {many}: {listed}"]
    return [f"{many} of it: {listed}"]


def _closest(ids: pa.ChunkedArray, wanted: str) -> list[str]:
    """A few ids that look like the one asked for, the most alike first; then such as hold it."""
    searched = ids
    if len(ids) > SEARCHED_IDS:
        apart = pc.abs(pc.subtract(pc.utf8_length(ids), len(wanted)))
        searched = ids.take(pc.array_sort_indices(apart).slice(0, SEARCHED_IDS))
    alike = difflib.get_close_matches(wanted, searched.to_pylist(), n=SHOWN)
    holding = ids.filter(pc.match_substring(ids, wanted, ignore_case=True))
    shortest = holding.take(pc.array_sort_indices(pc.utf8_length(holding)).slice(0, SHOWN))
    return list(dict.fromkeys([*alike, *shortest.to_pylist()]))[:SHOWN]
