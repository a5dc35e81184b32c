"""``pickwell metrics``: every metric with its formula, range and direction."""

from __future__ import annotations

import typer


def metrics(
    name: str = typer.Argument(None, help="One metric in full; by default a table of all."),
) -> None:
    """List the metrics: what each measures, its range, and which way is better."""
    import difflib

    from rich.table import Table

    from data_cards.errors import BadInputError
    from pickwell.console import out
    from scoring.metric import registry

    specs = {key: metric.spec for key, metric in registry().items()}  # type: ignore[attr-defined]
    if name is not None:
        if name not in specs:
            near = difflib.get_close_matches(name, specs, 1)
            raise BadInputError(
                f"There is no metric {name!r}.",
                f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(specs)}.",
            )
        spec = specs[name]
        out.print(f"[bold]{spec.name}[/bold]  {spec.summary}")
        for label in ("formula", "cost", "source"):
            out.print(f"  {label:8}", end=" ")
            out.print(getattr(spec, label), markup=False)
        out.print(f"  needs    {', '.join(sorted(spec.needs))}")
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("metric", "column", "better", "range", "what it is"):
        table.add_column(heading, overflow="fold")
    arrows = {"higher": "higher", "lower": "lower", "none": "-"}
    for spec in [specs[name]] if name else specs.values():
        for number, column in enumerate(spec.columns):
            low, high = (f"{bound:g}" for bound in column.range)
            span = f"{low} .. {high}" if column.kind in ("float", "int") else column.kind
            first = spec.name if number == 0 else ""
            table.add_row(first, column.name, arrows[column.direction], span, column.description)
    out.print(table)
