"""What ``benchmark`` prints when it is done: a table that cuts no name, however narrow it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from pickwell.benchmark_files import COLUMNS, HEADINGS, cells, errors, remarks
from pickwell.benchmark_plot import RULES
from pickwell.console import err, out

if TYPE_CHECKING:
    from finetune.reduce import Line
    from pickwell.benchmark_job import Benchmark

LEFT = ("budget", "method", "verdict")
"""Columns of words; the others are figures."""
FIRST_OUT = ("memory", "choosing", "kept", "right, %")
"""What a narrow terminal does without, in this order; the page holds all of it."""
LAST_OUT = ("95 %", "over random")
"""What it does without where there is no room even beside folded names."""
FOLDED = 16
"""Characters that a folded name has at least."""
GAP = 2


def print_there(there: int, total: int) -> None:
    """Say what is not trained anew; nothing, where all of it is."""
    if there == total:
        told = f"All {total:,} trainings were there already: nothing is trained anew."
    else:
        told = f"{there:,} of {total:,} trainings were there already."
    if there:
        err.print(told, markup=False, soft_wrap=True)


def print_benchmark(made: Benchmark) -> None:
    """The table of each rule, what its columns are, what took no part, and where all of it is."""
    rows = {rule: [line for line in made.lines if line.rule == rule] for rule in RULES}
    shown = columns_for(made.lines, out.width if out.is_terminal else None)
    for rule, lines in rows.items():
        if not lines:
            continue
        out.print(f"{RULES[rule].capitalize()}:", style="bold")
        _print_table(lines, shown)
    missing = [name for name in ("budget", *HEADINGS) if name not in shown]
    sentences = [
        sentence.replace("**", "") for sentence in COLUMNS
        if any(f"**{name}**" in sentence for name in shown)
    ]  # fmt: skip
    if missing:
        sentences.append(f"No room here for: {'; '.join(missing)}.")
    for sentence in (*sentences, *errors(made.lines), *remarks(made)):
        out.print(sentence, markup=False, style="dim", soft_wrap=not out.is_terminal)
    for sentence in made.left_out.sentences():
        out.print(sentence, markup=False, style="yellow", soft_wrap=not out.is_terminal)
    out.print(f"Table and plot: {made.folder / 'README.md'}", markup=False, soft_wrap=True)


def columns_for(lines: list[Line], width: int | None) -> list[str]:
    """The columns that fit.

    Args:
        lines: The table.
        width: Of the terminal; ``None``: there is no end to it.
    """
    shown = ["budget", *HEADINGS]
    for name in FIRST_OUT:
        if width is None or _width(lines, shown) <= width:
            break
        shown.remove(name)
    for name in LAST_OUT:
        if width is None or _width(lines, shown) - _longest(lines, "method") + FOLDED <= width:
            break
        shown.remove(name)
    return shown


def _print_table(lines: list[Line], shown: list[str]) -> None:
    """One rule's lines; in a pipe each is one line."""
    whole = _width(lines, shown)
    if not out.is_terminal:
        out.width = max(out.width, whole)
    room = max(_longest(lines, "method") + min(out.width - whole, 0), FOLDED)
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
    for name in shown:
        table.add_column(
            name, justify="left" if name in LEFT else "right", no_wrap=name != "verdict"
        )
    for line in lines:
        told = _told(line)
        told["method"] = folded(told["method"], room)
        table.add_row(*(Text(told[name]) for name in shown))
    out.print(table)


def folded(name: str, room: int) -> str:
    """A name over several lines, each of ``room`` characters at most, cut behind ``:`` or ``,``."""
    made, rest = [], name
    while len(rest) > room:
        ends = [found.end() for found in re.finditer("[:,=]", rest[:room])]
        at = ends[-1] if ends else room
        made.append(rest[:at])
        rest = rest[at:]
    return "\n".join([*made, rest])


def _told(line: Line) -> dict[str, str]:
    return {"budget": line.budget, **dict(zip(HEADINGS, cells(line), strict=True))}


def _longest(lines: list[Line], name: str) -> int:
    return max(len(name), *(len(_told(line)[name]) for line in lines))


def _width(lines: list[Line], shown: list[str]) -> int:
    """Of the whole table."""
    return sum(_longest(lines, name) for name in shown) + GAP * (len(shown) - 1)
