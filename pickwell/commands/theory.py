"""``pickwell theory``: what pruning could gain, worked out for a perceptron."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pickwell.theory_job import Point, Theory
    from selector.prune.theory_frontier import Best


def theory(
    alpha: str = typer.Option(
        "0.5,1.5,3,6,10", "--alpha", "-a", help="Kept samples per dimension, comma-separated."
    ),
    fraction: str = typer.Option(
        "1,0.8,0.6,0.4,0.2,0.1", "--fraction", "-f", help="Kept fractions, comma-separated."
    ),
    theta: str = typer.Option(
        "0,10,20,40",
        "--theta",
        help="Angles of the probe to the teacher, degrees: 0 is perfect, and alone takes seconds.",
    ),
    keep: str = typer.Option("hard", "--keep", help="hard or easy."),
    smallest: float = typer.Option(0.01, help="Smallest fraction that the frontier may use."),
    simulate: int = typer.Option(
        0, "--simulate", min=0, help="Students to train for each number, to hold beside it."
    ),
    dimension: int = typer.Option(200, min=2, help="Dimensions of the students' inputs."),
    seed: int = typer.Option(0, min=0, help="Seed of the students' data."),
    out: Path = typer.Option(
        None,
        "--out",
        "-o",
        help="Folder for theory.json, theory.csv and figure1.svg; figure2.svg, too, where an angle"
        " is above 0.",
    ),
) -> None:
    """Show how the error falls with pruned data when a perceptron learns from another.

    The theory of Beyond neural scaling laws (arXiv 2206.14486): a probe keeps the fraction of the
    samples nearest to its boundary (hard) or farthest (easy). Each row appears when it is known;
    angles above 0 take nearly all of the time, which rises with the alphas and fractions asked for.
    """
    from pickwell.console import progress
    from pickwell.theory_job import theory as run_theory

    alphas, fractions = _numbers("alpha", alpha), _numbers("fraction", fraction)
    screen = _Screen(alphas, fractions, keep, simulate)
    with progress() as update:
        made = run_theory(
            out,
            alphas=alphas,
            fractions=fractions,
            thetas=_numbers("theta", theta),
            keep=keep,  # type: ignore[arg-type]
            smallest=smallest,
            draws=simulate,
            dimension=dimension,
            seed=seed,
            on_progress=update,
            on_row=screen.row,
            on_angle=screen.angle,
        )
    _close(made, screen.bounded)


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


class _Screen:
    """The tables, a line as soon as it is known."""

    def __init__(
        self, alphas: Sequence[float], fractions: Sequence[float], keep: str, draws: int
    ) -> None:
        self.alphas, self.fractions, self.keep = alphas, fractions, keep
        self.width = 12 if draws else 5
        self.theta: float | None = None
        self.bounded = False

    def row(self, theta: float, points: Sequence[Point], best: Best) -> None:
        """Errors of one alpha; before the first of an angle its heading."""
        if theta != self.theta:
            self.theta = theta
            self._heading(theta)
        cells = []
        for point in points:
            found = point.simulated
            beside = "" if found is None else f" ({100 * found.error:.1f})"
            cells.append(f"{100 * point.solution.error:.2f}{beside}")
        self.bounded |= best.at_bound
        mark = "*" if best.at_bound else " "
        cells.append(f"{100 * best.error:.2f} at {best.fraction:.2f}{mark}")
        self._line(f"{points[0].solution.alpha:g}", cells)

    def angle(self, theta: float, crossovers: Mapping[float, float | None]) -> None:
        """From when on hard is the better way."""
        said = [
            f"{fraction:g}: {'never' if total is None else f'{total:.1f}'}"
            for fraction, total in crossovers.items()
        ]
        if said:
            self._print(
                "Hard is better than easy from this many samples per dimension before pruning: "
                + ", ".join(said)
                + "."
            )
        self._print("")

    def _heading(self, theta: float) -> None:
        self._print(
            f"Error in % by kept fraction, keep {self.keep}, probe {theta:g}° off;"
            " alpha: kept samples per dimension",
            style="bold",
        )
        self._line("alpha", [*(f"{fraction:g}" for fraction in self.fractions), "best"])

    def _line(self, alpha: str, cells: Sequence[str]) -> None:
        widest = max(5, *(len(f"{value:g}") for value in self.alphas))
        *errors, best = cells
        middle = "".join(f"  {cell:>{self.width}}" for cell in errors)
        self._print(f"{alpha:>{widest}}{middle}  {best:>14}".rstrip())

    def _print(self, text: str, style: str | None = None) -> None:
        from pickwell.console import out

        out.print(text, markup=False, soft_wrap=True, style=style)


def _close(made: Theory, bounded: bool) -> None:
    """What holds for all tables."""
    from pickwell.console import out

    asked = made.parameters
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
