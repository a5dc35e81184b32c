"""Renders ``docs/metrics.md`` from the registry: ``python -m scoring.metrics_doc > docs/metrics.md``."""

from __future__ import annotations

import math
import sys

from scoring.metric import Column, MetricSpec, registry

_HEAD = """# Metrics

<!-- Generated from the metrics' own declarations: python -m scoring.metrics_doc > docs/metrics.md -->

Each metric writes one or more columns. A missing value is null, with a note that says why; it is
never replaced by a number. *Direction* says whether a higher or a lower value is better for
training, or neither by itself. Metrics that need the pool look at all samples together; for all
others a sample's score does not depend on its company.
"""

_DIRECTION = {"higher": "higher is better", "lower": "lower is better", "none": "-"}


def render() -> str:
    """The page, as Markdown."""
    specs = [registry()[name].spec for name in sorted(registry())]  # type: ignore[attr-defined]
    lines = [_HEAD, "| metric | what it says | columns |", "| --- | --- | --- |"]
    for spec in specs:
        names = ", ".join(f"`{column.name}`" for column in spec.columns)
        lines.append(f"| [{spec.name}](#{spec.name}) | {_cell(spec.summary)} | {names} |")
    for spec in specs:
        lines.extend(_section(spec))
    return "\n".join(lines) + "\n"


def _section(spec: MetricSpec) -> list[str]:
    """One metric: summary, columns, formula, needs, cost, source."""
    return [
        "",
        f"## {spec.name}",
        "",
        spec.summary,
        "",
        "| column | what | type | range | direction |",
        "| --- | --- | --- | --- | --- |",
        *(_row(column) for column in spec.columns),
        "",
        f"- **Formula**: {spec.formula}",
        f"- **Needs**: {', '.join(sorted(spec.needs)).replace('_', ' ')}",
        f"- **Cost**: {spec.cost}",
        f"- **Source**: {spec.source}",
    ]


def _row(column: Column) -> str:
    what = _cell(column.description)
    return (
        f"| `{column.name}` | {what} | {column.kind} | {_range(column)} "
        f"| {_DIRECTION[column.direction]} |"
    )


def _range(column: Column) -> str:
    if column.kind == "string":
        return "-"
    if column.kind == "bool":
        return "true, false"
    ends = [
        ("−" if end < 0 else "") + ("∞" if math.isinf(end) else f"{abs(end):g}")
        for end in column.range
    ]
    return f"{ends[0]} … {ends[1]}"


def _cell(text: str) -> str:
    """Text that cannot break out of a table cell."""
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.stdout.write(render())
