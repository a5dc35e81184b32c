"""``pickwell methods``: the shelf of reduction methods, with what each needs, costs and is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from selector.coreset import Method


def methods(
    name: str = typer.Argument(None, help="Only this method."),
) -> None:
    """List the methods that cut a data set down: what each keeps, needs, costs, and when to."""
    from rich.table import Table

    from pickwell.console import out
    from selector.coreset import methods as known
    from selector.coreset.base import find_method

    if name is not None:
        _show(find_method(name, {}))
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("method", "needs", "keeps", "when"):
        table.add_column(column, overflow="fold", no_wrap=column == "method")
    for one in known().values():
        needs = ", ".join(sorted(one.needs)) or "nothing"
        table.add_row(one.name, needs, one.keeps, one.good_when)
    out.print(table)
    out.print("`pickwell methods NAME` tells cost, options and source.", markup=False)


def _show(one: Method) -> None:
    from rich.table import Table
    from rich.text import Text

    from pickwell.console import out

    out.print(Text.assemble((one.name, "bold"), f"  keeps {one.keeps}"))
    facts = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    options = ", ".join(f"{key}={value}" for key, value in one.options.items()) or "none"
    for label, value in (
        ("needs", ", ".join(sorted(one.needs)) or "nothing"),
        ("cost", one.cost),
        ("when", one.good_when),
        ("gain", one.gain),
        ("order", one.order),
        ("options", options),
        ("source", one.source),
    ):
        facts.add_row(label, Text(value))
    out.print(facts)
