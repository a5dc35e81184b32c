"""``pickwell methods``: the reduction methods and the scores they rank by: needs, costs, use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.text import Text

    from scoring.dynamics.catalogue import ScoreFacts
    from selector.coreset import Method
    from selector.coreset.options import Option

WIDTHS = (("when", 140), ("costs", 190))
"""Columns that a list has only from such a width of the terminal up."""


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
        ("method", "needs", "keeps"),
        [(one.name, _needs(one), one.keeps, one.good_when, one.cost) for one in known().values()],
    )
    out.print("\nScores, higher is harder, asked for as METHOD:SCORE:", markup=False)
    _list(
        ("score", "needs", "measures"),
        [(one.name, one.needs, one.measures, one.good_when, one.cost) for one in SCORES],
    )
    out.print(
        "\n`pickwell methods NAME` tells when to take one, what it costs, its options and source.",
        markup=False,
    )


def _list(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table as wide as the terminal lets it be: what does not fit, is told one by one."""
    from rich.table import Table
    from rich.text import Text

    from pickwell.console import out

    shown = [*columns, *(name for name, width in WIDTHS if out.width >= width)]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for number, column in enumerate(shown):
        table.add_column(
            column, no_wrap=number == 0, ratio=None if number < 2 else 1,
            max_width=24 if number == 1 else None,
        )  # fmt: skip
    for row in rows:
        table.add_row(*map(Text, row[: len(shown)]))
    out.print(table)


def _tell(name: str) -> None:
    """One method or score.

    Raises:
        BadInputError: There is neither of this name.
    """
    from data_cards.errors import BadInputError
    from data_cards.meant import meant
    from scoring.dynamics.catalogue import SCORES
    from selector.coreset import methods as known

    scores = {one.name: one for one in SCORES}
    if name in known():
        _facts(name, f"keeps {known()[name].keeps}", _of_method(known()[name]))
    elif name in scores:
        _facts(name, scores[name].measures, _of_score(scores[name]))
    else:
        every = [*known(), *scores]
        raise BadInputError(
            f"there is no method or score {name!r}",
            meant(name, every) or f"There are: {', '.join(every)}.",
        )


def _of_method(one: Method) -> dict[str, str | list[Text]]:
    also = "; ".join(f"{key}, {what}" for key, what in one.finds.items())
    return {
        "needs": _needs(one),
        "use": _use(one),
        "cost": one.cost,
        "when": one.good_when,
        "gain": one.gain,
        "order": one.order,
        "options": [_option(option) for option in one.options.values()] or "none",
        **({"also tells": also} if also else {}),
        "source": one.source,
    }


def _use(one: Method) -> list[Text]:
    """Where it can be asked for."""
    from rich.text import Text

    from selector.picker import registry

    typed = f"{one.name}:SCORE" if "scores" in one.needs else one.name
    places = [f"prune --by {typed}", f"benchmark --methods {typed}"]
    if one.name in registry():
        instead = ", where quality takes the place of a score" if "scores" in one.needs else ""
        places.append(f"select --diversity {one.name}{instead}")
    return [Text(place) for place in places]


def _option(one: Option) -> Text:
    from rich.text import Text

    from selector.coreset.typed import as_typed

    if not one.typed:
        return Text.assemble((one.name, "bold"), f"  only in Python: {one.meaning}")
    head = f"{one.name}={as_typed(one.default)}"
    return Text.assemble((head, "bold"), f"  {one.allowed}: {one.meaning}")


def _of_score(one: ScoreFacts) -> dict[str, str]:
    use = f"METHOD:{one.name}, e.g. hardest:{one.name}; higher is harder"
    return {
        "needs": one.needs,
        "cost": one.cost,
        "when": one.good_when,
        "use": use if one.how == "methods" else f"only in Python: {one.how}",
        "source": one.source,
    }


def _facts(name: str, what: str, facts: Mapping[str, str | list[Text]]) -> None:
    from rich.table import Table
    from rich.text import Text

    from pickwell.console import out

    out.print(Text.assemble((name, "bold"), f"  {what}"))
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in facts.items():
        lines = [Text(value)] if isinstance(value, str) else value
        for number, line in enumerate(lines):
            table.add_row(label if number == 0 else "", line)
    out.print(table)


def _needs(one: Method) -> str:
    return ", ".join(sorted(one.needs)) or "nothing"
