"""``pickwell metrics``: every metric with its formula, range and direction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from scoring.metric import MetricSpec


def metrics(
    name: str = typer.Argument(None, help="Only this metric."),
) -> None:
    """List the metrics: what each measures, its formula, range, and which way is better."""
    import difflib

    from data_cards.errors import BadInputError
    from scoring.metric import registry

    specs = {key: metric.spec for key, metric in registry().items()}  # type: ignore[attr-defined]
    if name is not None and name not in specs:
        near = difflib.get_close_matches(name, specs, 1)
        raise BadInputError(
            f"There is no metric {name!r}.",
            f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(specs)}.",
        )
    for spec in [specs[name]] if name else specs.values():
        _show(spec)


def _show(spec: MetricSpec) -> None:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    from pickwell.console import out

    out.print(Text.assemble((spec.name, "bold"), f"  {spec.summary}"))
    facts = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for label in ("formula", "needs", "cost", "source"):
        value = getattr(spec, label)
        text = ", ".join(sorted(value)) if isinstance(value, frozenset) else value
        facts.add_row(label, Text(text.replace("`", "")))
    for number, column in enumerate(spec.columns):
        low, high = (f"{bound:g}" for bound in column.range)
        span = f"{low} to {high}" if column.kind in ("float", "int") else column.kind
        better = {"higher": "higher is better", "lower": "lower is better"}
        direction = better.get(column.direction, "no direction")
        line = Text.assemble(
            (column.name, "bold"), f"  {span}, {direction}: {column.description.rstrip('.')}"
        )
        facts.add_row("columns" if number == 0 else "", line)
    out.print(Padding(facts, (0, 0, 1, 2)))
