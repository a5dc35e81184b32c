"""``pickwell theory``: what pruning could gain, worked out for a perceptron."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from pickwell.theory_job import Theory


def theory(
    alpha: str = typer.Option(
        "0.5,1.5,3,6,10", "--alpha", "-a", help="Kept samples per dimension, comma-separated."
    ),
    fraction: str = typer.Option(
        "1,0.8,0.6,0.4,0.2,0.1", "--fraction", "-f", help="Kept fractions, comma-separated."
    ),
    theta: str = typer.Option(
        "0,10,20,40", "--theta", help="Angles of the probe to the teacher, degrees: 0 is perfect."
    ),
    keep: str = typer.Option("hard", "--keep", help="hard or easy."),
    smallest: float = typer.Option(0.01, help="Smallest fraction that the frontier may use."),
    simulate: int = typer.Option(
        0, "--simulate", min=0, help="Students to train for each number, to hold beside it."
    ),
    dimension: int = typer.Option(200, min=2, help="Dimensions of the students' inputs."),
    seed: int = typer.Option(0, min=0, help="Seed of the students' data."),
    out: Path = typer.Option(
        None, "--out", "-o", help="Folder for theory.json, theory.csv and two figures (SVG)."
    ),
) -> None:
    """Show how the error falls with pruned data when a perceptron learns from another.

    The theory of Beyond neural scaling laws (arXiv 2206.14486): a probe keeps the fraction of the
    samples nearest to its boundary (hard) or farthest (easy).
    """
    from pickwell.console import progress
    from pickwell.theory_job import theory as run_theory

    with progress() as update:
        made = run_theory(
            out,
            alphas=_numbers("alpha", alpha),
            fractions=_numbers("fraction", fraction),
            thetas=_numbers("theta", theta),
            keep=keep,  # type: ignore[arg-type]
            smallest=smallest,
            draws=simulate,
            dimension=dimension,
            seed=seed,
            on_progress=update,
        )
    _show(made)


def _numbers(name: str, text: str) -> list[float]:
    """Comma-separated numbers, each once.

    Raises:
        BadInputError: One is none.
    """
    from data_cards.errors import BadInputError

    try:
        return list(dict.fromkeys(float(part) for part in text.split(",") if part.strip()))
    except ValueError as error:
        raise BadInputError(
            f"--{name} {text} is not a list of numbers", f"Write --{name} 1,0.5,0.2."
        ) from error


def _show(made: Theory) -> None:
    from rich.table import Table

    from pickwell.console import out

    asked = made.parameters
    points = iter(made.points)
    bounded = False
    for theta in asked["thetas"]:
        out.print(
            f"Error in % by kept fraction, keep {asked['keep']}, probe {theta:g}° off;"
            " alpha: kept samples per dimension",
            style="bold",
            soft_wrap=True,
        )
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column("alpha", justify="right", style="dim")
        for fraction in asked["fractions"]:
            table.add_column(f"{fraction:g}", justify="right")
        table.add_column("best", justify="right")
        for alpha in asked["alphas"]:
            cells = []
            for _ in asked["fractions"]:
                point = next(points)
                found = point.simulated
                beside = "" if found is None else f" ({100 * found.error:.1f})"
                cells.append(f"{100 * point.solution.error:.2f}{beside}")
            best = made.best[theta, alpha]
            bounded |= best.at_bound
            mark = "*" if best.at_bound else " "
            cells.append(f"{100 * best.error:.2f} at {best.fraction:.2f}{mark}")
            table.add_row(f"{alpha:g}", *cells)
        out.print(table)
        crossed = [
            f"{fraction:g}: {'never' if total is None else f'{total:.1f}'}"
            for (angle, fraction), total in made.crossovers.items()
            if angle == theta
        ]
        if crossed:
            out.print(
                "Hard is better than easy from this many samples per dimension before pruning: "
                + ", ".join(crossed)
                + ".",
                markup=False,
                soft_wrap=True,
            )
        out.print()
    if bounded:
        out.print(
            f"* The error still falls below the smallest fraction allowed, {asked['smallest']:g}.",
            soft_wrap=True,
        )
    if asked["draws"]:
        out.print(
            f"In brackets: mean of {asked['draws']} trained students in {asked['dimension']}"
            " dimensions.",
            soft_wrap=True,
        )
    if made.folder is not None:
        out.print(f"Figures and numbers: {made.folder}", markup=False, soft_wrap=True)
