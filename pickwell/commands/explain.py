"""``pickwell explain``: why this one, why not that one."""

from __future__ import annotations

from pathlib import Path

import typer


def explain(
    selection: Path = typer.Argument(..., help="Selection folder."),
    id: str = typer.Argument(..., help="Id of a sample, chosen or not."),
) -> None:
    """Say in words why a sample was chosen or refused."""
    from pickwell.console import out
    from pickwell.selection_files import open_selection
    from selector.explain import explain as explain_row

    for line in explain_row(open_selection(selection), id).lines:
        out.print(line, markup=False, soft_wrap=True)
