"""What the commands print when they are done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from data_cards.counted import counted
from pickwell.console import err, out

if TYPE_CHECKING:
    from data_cards.source import Source
    from scoring.run import Run
    from selector.selection import Selection


def print_source(source: Source) -> None:
    """Say what the input is taken for, and why."""
    err.print(f"{source.given or source.path} is {source.how}", markup=False, soft_wrap=True)


def print_run(run: Run) -> None:
    """Counts, what was computed, and the reasons of bad rows."""
    import pyarrow.compute as pc

    manifest = run.manifest
    bad = manifest["status"].get("bad", 0)
    computed = manifest["computed"]
    out.print(
        f"{counted(manifest['rows'], 'row')} scored in {manifest['seconds']:,.0f} s "
        f"({manifest['rows'] / max(manifest['seconds'], 1e-9):,.0f}/s), {bad:,} of them bad; "
        f"{counted(computed['images_encoded'], 'image')} and "
        f"{counted(computed['texts_encoded'], 'text')} encoded."
    )
    if bad:
        errors = run.samples(["where", "error"]).filter(pc.is_valid(pc.field("error")))
        for row in errors.slice(0, 10).to_pylist():
            out.print(f"  {row['where']}: {row['error']}", markup=False, soft_wrap=True)
        if bad > 10:
            out.print(f"  ... and {bad - 10:,} more: see the column 'error' of scores.parquet")
    _print_judging(manifest)
    out.print(f"Run: {run.folder}", markup=False, soft_wrap=True)


def _print_judging(manifest: dict[str, Any]) -> None:
    """What the judge did, what it took, and what is still to be asked."""
    judge = manifest.get("judge")
    if judge is not None:
        tokens = judge["prompt_tokens"] + judge["completion_tokens"]
        price = f", cost {judge['cost']:.4g}" if "cost" in judge else ""
        never = f", {judge['unrated']:,} without a rating" if judge["unrated"] else ""
        out.print(
            f"Judge: {judge['answered']:,} judged{never}, {judge['from_cache']:,} from the cache, "
            f"{judge['failed']:,} failed; {counted(judge['requests'], 'request')}, "
            f"{tokens:,} tokens{price}, {judge['seconds']:,.0f} s.",
            soft_wrap=True,
        )
        for reason, count in judge.get("failed_because", {}).items():
            out.print(f"  {count:,}: {reason}", markup=False, soft_wrap=True)
    for name, count in manifest.get("unfinished", {}).items():
        out.print(
            f"Type the same command again to {name} the {count:,} that failed.", style="yellow"
        )


def print_selection(selection: Selection, folder: Path) -> None:
    """The funnel, what random would have given, and where the report is."""
    funnel = selection.funnel()
    out.print(f"{funnel['chosen']:,} of {sum(funnel.values()):,} chosen.", style="bold")
    table = Table(box=None, show_header=False, pad_edge=False)
    for stage, count in funnel.items():
        table.add_row(stage, f"{count:,}")
    out.print(table)
    for line in selection.parameters.get("verdict", []):
        out.print(line, markup=False, soft_wrap=True)
    if selection.parameters.get("shortfall"):
        out.print(selection.parameters["shortfall"], markup=False, style="yellow")
    out.print(f"Report: {folder / 'report.html'}", markup=False, soft_wrap=True)
