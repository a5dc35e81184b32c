"""``pickwell report``: draw the page of a selection again."""

from __future__ import annotations

from pathlib import Path

import typer


def report(
    selection: Path = typer.Argument(..., help="Selection folder."),
    out: Path = typer.Option(None, "--out", "-o", help="File; default: report.html in it."),
    evaluation: Path = typer.Option(None, help="Tell this `pickwell evaluate` folder as well."),
    batch: Path = typer.Option(None, help="Tell this `pickwell score --like` run as well."),
) -> None:
    """Write the HTML report of a selection anew (from its run, which must still be there)."""
    from pickwell.console import out as screen
    from pickwell.report_job import report_again

    page = report_again(selection, out, evaluation=evaluation, batch=batch)
    screen.print(f"Report: {page}", markup=False, soft_wrap=True)
