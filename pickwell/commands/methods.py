"""``pickwell methods``: the reduction methods and the scores they rank by: needs, costs, use."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from scoring.dynamics.catalogue import ScoreFacts
    from selector.coreset import Method


def methods(
    name: str = typer.Argument(None, help="Only this method or score."),
) -> None:
    """List the methods that cut a data set down, and the scores that some of them rank by."""
    from pickwell.console import out
    from scoring.dynamics.catalogue import SCORES
    from selector.coreset import methods as known

    if name is not None:
        _tell(name)
        return
    _list(
        ("method", "needs", "keeps", "costs", "when"),
        ((one.name, _needs(one), one.keeps, one.cost, one.good_when) for one in known().values()),
    )
    out.print("\nScores, higher is harder, asked for as METHOD:SCORE:", markup=False)
    _list(
        ("score", "needs", "measures", "costs", "when"),
        ((one.name, one.needs, one.measures, one.cost, one.good_when) for one in SCORES),
    )
    out.print("`pickwell methods NAME` tells options and source.", markup=False)


def _list(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    from rich.table import Table
    from rich.text import Text

    from pickwell.console import out

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*map(Text, row))
    out.print(table)


def _tell(name: str) -> None:
    """One method or score.

    Raises:
        BadInputError: There is neither of this name.
    """
    from data_cards.errors import BadInputError
    from scoring.dynamics.catalogue import SCORES
    from selector.coreset import methods as known

    scores = {one.name: one for one in SCORES}
    if name in known():
        _facts(name, f"keeps {known()[name].keeps}", _of_method(known()[name]))
    elif name in scores:
        _facts(name, scores[name].measures, _of_score(scores[name]))
    else:
        every = [*known(), *scores]
        close = difflib.get_close_matches(name, every, n=1)
        hint = f"Did you mean {close[0]}? " if close else ""
        raise BadInputError(
            f"there is no method or score {name!r}", f"{hint}There are: {', '.join(every)}."
        )


def _of_method(one: Method) -> dict[str, str]:
    options = ", ".join(f"{key}={value}" for key, value in one.options.items()) or "none"
    also = "; ".join(f"{key}, {what}" for key, what in one.finds.items())
    return {
        "needs": _needs(one),
        "cost": one.cost,
        "when": one.good_when,
        "gain": one.gain,
        "order": one.order,
        "options": options,
        **({"also tells": also} if also else {}),
        "source": one.source,
    }


def _of_score(one: ScoreFacts) -> dict[str, str]:
    use = f"METHOD:{one.name}, e.g. hardest:{one.name}; higher is harder"
    return {
        "needs": one.needs,
        "cost": one.cost,
        "when": one.good_when,
        "use": use if one.how == "methods" else f"only in Python: {one.how}",
        "source": one.source,
    }


def _facts(name: str, what: str, facts: dict[str, str]) -> None:
    from rich.table import Table
    from rich.text import Text

    from pickwell.console import out

    out.print(Text.assemble((name, "bold"), f"  {what}"))
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in facts.items():
        table.add_row(label, Text(value))
    out.print(table)


def _needs(one: Method) -> str:
    return ", ".join(sorted(one.needs)) or "nothing"
