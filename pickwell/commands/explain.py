"""``pickwell explain``: why this one, why not that one."""

from __future__ import annotations

from pathlib import Path

import typer


def explain(
    selection: Path = typer.Argument(..., help="Selection folder."),
    id: str = typer.Argument(..., help="Id of a sample, chosen or not."),
) -> None:
    """Say in words why a sample was chosen or refused, and where it stands on each metric."""
    from data_cards.errors import BadInputError
    from pickwell.console import err, out
    from pickwell.pruned_before import is_pruned, place_of
    from pickwell.selection_files import open_selection
    from pickwell.standing import run_of, standings, table_of
    from selector.explain import explain as explain_row

    opened = open_selection(selection)
    found = explain_row(opened, id)
    for line in found.lines:
        out.print(line, markup=False, soft_wrap=True)
    if is_pruned(selection):
        out.print(place_of(selection, found.id), markup=False, soft_wrap=True)
        return
    try:
        rows = standings(run_of(selection), opened, found.id)
    except BadInputError as error:  # the reasons stand without the numbers
        err.print(f"No metric values: {error}", markup=False, soft_wrap=True)
        return
    if rows:
        out.print()
        out.print(table_of(rows))
