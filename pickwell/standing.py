"""Where one sample stands on each metric: its value, its percentile, and the picks beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from rich.table import Table

    from scoring.run import Run
    from selector.selection import Selection

Beside = Literal["higher", "lower", "equal"]


@dataclass(frozen=True, slots=True)
class Standing:
    """One sample on one metric column.

    Attributes:
        name: The column.
        value: As it is stored; ``None`` where it is missing.
        direction: Whether higher or lower is better, or neither.
        percentile: Share of the readable rows that it is better than (below it, for a metric
            without direction), ties counted half, in percent; ``None`` for words and missing
            values.
        picks: Median of the chosen; ``None`` where none of them has it, and for words.
        picks_are: Where that median lies, seen from this sample.
        constant: Whether all readable rows have the same value.
    """

    name: str
    value: float | str | bool | None
    direction: str = "none"
    percentile: float | None = None
    picks: float | None = None
    picks_are: Beside | None = None
    constant: bool = False


def run_of(folder: Path) -> Run:
    """The run that a selection was chosen from (all of them as one, where it was added to).

    Raises:
        BadInputError: One is gone, or was scored again since.
    """
    from pickwell.chosen import ORIGINS, open_chosen
    from pickwell.joined import open_joined

    return open_joined(folder) if (folder / ORIGINS).is_file() else open_chosen(folder).runs[0]


def standings(run: Run, selection: Selection, id: str) -> list[Standing]:
    """Where a sample stands on every column that the report shows.

    Args:
        run: What was chosen from.
        selection: What was chosen.
        id: A sample of both.

    Returns:
        One for each column; none at all for a sample that could not be scored.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from pickwell.report_job import shown_columns

    ids = run.scores["id"]
    at = pc.index(ids, id).as_py()
    readable = np.asarray(run.scores["status"].to_pylist(), object) == "ok"
    picked = np.asarray(pc.is_in(ids, value_set=pa.array(selection.ids, pa.string())))
    numbers = run.numeric()
    found = []
    for name, column in shown_columns(run).items():
        value = run.scores[name][at].as_py()
        if name not in numbers or value is None:
            found.append(Standing(name, value, column.direction))
        else:
            values = np.where(readable, numbers[name], np.nan)
            found.append(_stand(name, value, column.direction, values[at], values, values[picked]))
    return found if any(standing.value is not None for standing in found) else []


def _stand(
    name: str,
    value: float | str | bool | None,
    direction: str,
    own: float,
    values: np.ndarray,
    picks: np.ndarray,
) -> Standing:
    import numpy as np

    values, picks = values[~np.isnan(values)], picks[~np.isnan(picks)]
    if np.isnan(own):
        return Standing(name, value, direction)
    percentile = 100 * float((values < own).mean() + (values == own).mean() / 2)
    if direction == "lower":  # as in the report: 100 is the better end
        percentile = 100 - percentile
    constant = bool(values.min() == values.max())
    if not len(picks):
        return Standing(name, value, direction, percentile, constant=constant)
    median = float(np.median(picks))
    beside: Beside = "higher" if median > own else "lower" if median < own else "equal"
    return Standing(name, value, direction, percentile, median, beside, constant)


def table_of(standings: Sequence[Standing]) -> Table:
    """The standings as a table for the terminal: no frame, so that it reads well in a pipe."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("metric", overflow="fold")
    table.add_column("better", style="dim")
    for name in ("value", "percentile", "median pick"):
        table.add_column(name, justify="right")
    table.add_column("the picks are")
    for row in standings:
        # A percentile or a comparison among equals would be no information.
        percentile = "" if row.percentile is None or row.constant else f"{row.percentile:.0f}"
        table.add_row(
            _plain(row.name),
            "" if row.direction == "none" else row.direction,
            _plain(_shown(row.value)),
            percentile,
            "" if row.picks is None or isinstance(row.value, str) else _number(row.picks),
            "constant" if row.constant else row.picks_are or "",
        )
    return table


def _shown(value: float | str | bool | None) -> str:
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else _number(value)


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:.4g}"


def _plain(text: str) -> str:
    """Text from data, in which nothing is markup."""
    from rich.markup import escape

    return escape(text)
