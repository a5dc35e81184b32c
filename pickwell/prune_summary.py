"""What ``prune`` prints when it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from pickwell.console import err, out
from pickwell.prune_remarks import headline
from pickwell.prune_words import found_lines, stages
from pickwell.words import many

if TYPE_CHECKING:
    from pickwell.pruned import PrunedCorpus

NAMED = 3
"""Pictures that take no part and are named with their reason."""


def print_pruned(made: PrunedCorpus) -> None:
    """What became of the pictures, why, what is odd about it, and where to look."""
    selection = made.pruned.selection
    funnel = selection.funnel()
    out.print(headline(made), markup=False, style="bold", soft_wrap=True)
    table = Table(box=None, show_header=False, pad_edge=False)
    for _, words, stage in stages(made):
        table.add_row(words, f"{funnel[stage]:,}")
    out.print(table)
    for line in broken_lines(made):
        out.print(line, markup=False, soft_wrap=True)
    for line in (*made.remarks, made.why):
        out.print(line, markup=False, soft_wrap=True)
    for name, found in found_lines(made):
        out.print(f"{name} {found}", markup=False, soft_wrap=True)
    if made.recall is not None:
        out.print(made.recall.words, soft_wrap=True)
    for note in selection.parameters.get("notes", []):
        err.print(note, markup=False, soft_wrap=True, style="yellow")
    out.print(f"Report: {made.folder / 'report.html'}", markup=False, soft_wrap=True)
    out.print(f"Lists: {made.folder / 'kept.txt'}, removed.txt", markup=False, soft_wrap=True)


def broken_lines(made: PrunedCorpus) -> list[str]:
    """The first pictures that take no part, each with its reason, and where the others stand."""
    import pyarrow.compute as pc

    table = made.pruned.selection.table
    broken = table.filter(pc.equal(table["stage"], "failed")).sort_by("id")
    first = broken.slice(0, NAMED).to_pylist()
    lines = [f"  {row['id']}: {row['reason'].removesuffix(': ' + row['id'])}" for row in first]
    if len(broken) > NAMED:
        lines.append(
            f"  ... and {len(broken) - NAMED:,} more: the reason of each stands in "
            f"{made.folder / 'selection.parquet'}, where stage is failed."
        )
    large = pc.sum(pc.match_substring(broken["reason"], "too many pixels")).as_py() or 0
    if large:
        lines.append(f"A higher --max-pixels reads {many(large, 'picture')} that {_are(large)}.")
    return lines


def _are(count: int) -> str:
    return "is too large" if count == 1 else "are too large"
