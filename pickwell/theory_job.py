"""``theory``: what pruning could gain, worked out for a perceptron, in tables and two figures."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data_cards.errors import BadInputError
from selector.prune.streams import one_thread_each
from selector.prune.theory import Keep, Solution, solve
from selector.prune.theory_frontier import Best, best_fraction, crossover
from selector.prune.theory_simulation import Simulated, simulate

FORMAT_VERSION = 1
ALPHAS = (0.5, 1.5, 3.0, 6.0, 10.0)
FRACTIONS = (1.0, 0.8, 0.6, 0.4, 0.2, 0.1)
THETAS = (0.0, 10.0, 20.0, 40.0)
Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Point:
    """One solution, and what trained students did where they were asked."""

    solution: Solution
    simulated: Simulated | None = None

    def record(self) -> dict[str, Any]:
        """One flat row, for JSON and CSV."""
        row: dict[str, Any] = {**asdict(self.solution), "alpha_total": self.solution.alpha_total}
        found = self.simulated
        row["simulated_error"] = None if found is None else found.error
        row["simulated_standard_error"] = None if found is None else found.standard_error
        return row


@dataclass(frozen=True)
class Theory:
    """Everything that was worked out.

    Attributes:
        points: By angle, then alpha, then fraction, as asked for.
        best: Angle and alpha to the best fraction.
        crossovers: Angle and fraction to the samples per dimension (before pruning) from which
            keeping the hard ones is better; ``None``: never.
        parameters: What was asked for.
        folder: Where it was written, if anywhere.
    """

    points: tuple[Point, ...]
    best: dict[tuple[float, float], Best]
    crossovers: dict[tuple[float, float], float | None]
    parameters: dict[str, Any]
    folder: Path | None = None


def theory(
    out: str | Path | None = None,
    *,
    alphas: Sequence[float] = ALPHAS,
    fractions: Sequence[float] = FRACTIONS,
    thetas: Sequence[float] = THETAS,
    keep: Keep = "hard",
    smallest: float = 0.01,
    draws: int = 0,
    dimension: int = 200,
    seed: int = 0,
    on_progress: Progress | None = None,
    on_row: Callable[[float, Sequence[Point], Best], None] | None = None,
    on_angle: Callable[[float, Mapping[float, float | None]], None] | None = None,
) -> Theory:
    """Solve the teacher-student perceptron of data pruning (arXiv 2206.14486).

    Args:
        out: Folder for ``theory.json``, ``theory.csv``, ``figure1.svg`` and, where an
            angle is above 0, ``figure2.svg``; ``None``: nothing is written or drawn.
        alphas: Kept samples per dimension.
        fractions: Kept fractions, in (0, 1].
        thetas: Angles between probe and teacher, degrees, 0 (perfect) to 90 (useless).
        keep: ``"hard"`` or ``"easy"``.
        smallest: Smallest fraction that the frontier may use.
        draws: Students to train for each point; 0: none.
        dimension: Of their inputs.
        seed: Of their data.
        on_progress: Called with ``(stage, done, total)``.
        on_row: Called with angle, points and best fraction of an alpha as soon as they are known.
        on_angle: Called with an angle and its crossovers (fraction to samples per dimension).

    Returns:
        The solutions.

    Raises:
        BadInputError: An argument is outside its range, or plots are wanted without matplotlib.
    """
    for name, values in (("alpha", alphas), ("fraction", fractions), ("theta", thetas)):
        if not values:
            raise BadInputError(f"no {name} was given", "Give one or more numbers.")
    folder = None if out is None else Path(out)
    if folder is not None:
        _check_plots()
    tell = on_progress or (lambda *_: None)
    row_told = on_row or (lambda *_: None)
    angle_told = on_angle or (lambda *_: None)
    total = len(thetas) * len(alphas) * len(fractions)
    pruned = [fraction for fraction in fractions if fraction < 1]
    points: list[Point] = []
    best: dict[tuple[float, float], Best] = {}
    crossovers: dict[tuple[float, float], float | None] = {}
    with one_thread_each():  # products of two rows: threads wait for each other
        for theta in thetas:
            for alpha in alphas:
                row = []
                for fraction in fractions:
                    row.append(_point(alpha, fraction, theta, keep, draws, dimension, seed))
                    tell("solving", len(points) + len(row), total)
                points += row
                found = best_fraction(alpha, theta=theta, keep=keep, smallest=smallest)
                best[theta, alpha] = found
                tell("best fractions", len(best), len(thetas) * len(alphas))
                row_told(theta, row, found)
            for fraction in pruned:
                crossovers[theta, fraction] = crossover(fraction, theta=theta)
                tell("hard or easy", len(crossovers), len(thetas) * len(pruned))
            angle_told(theta, {fraction: crossovers[theta, fraction] for fraction in pruned})
    made = Theory(
        points=tuple(points),
        best=best,
        crossovers=crossovers,
        parameters={
            "alphas": list(alphas),
            "fractions": list(fractions),
            "thetas": list(thetas),
            "keep": keep,
            "smallest": smallest,
            "draws": draws,
            "dimension": dimension,
            "seed": seed,
            "rank_by": "|z|, the size of the probe's field",
        },
        folder=folder,
    )
    if folder is not None:
        _write(made, folder, tell)
    return made


def _point(
    alpha: float, fraction: float, theta: float, keep: Keep, draws: int, dimension: int, seed: int
) -> Point:
    solution = solve(alpha, fraction, theta=theta, keep=keep)
    if not draws:
        return Point(solution)
    return Point(
        solution,
        simulate(
            alpha, fraction, theta=theta, keep=keep, dimension=dimension, draws=draws, seed=seed
        ),
    )


def _check_plots() -> None:
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        raise BadInputError(
            "the figures need matplotlib", "Install pickwell[train], or leave --out away."
        )


def _write(made: Theory, folder: Path, tell: Progress) -> None:
    """Write the folder; each file is there whole or not at all."""
    from data_cards.replacing import replacing
    from pickwell import __version__
    from pickwell.theory_plots import figures

    rows = [point.record() for point in made.points]
    record = {
        "format_version": FORMAT_VERSION,
        "version": __version__,
        "source": "Sorscher et al., Beyond neural scaling laws, arXiv 2206.14486",
        "parameters": made.parameters,
        "points": rows,
        "best": [{"theta": theta, **asdict(found)} for (theta, _), found in made.best.items()],
        "hard_from": [
            {"theta": theta, "fraction": fraction, "alpha_total": found}
            for (theta, fraction), found in made.crossovers.items()
        ],
    }
    with one_thread_each():
        drawn = figures(made, tell)
    for name, svg in drawn.items():
        with replacing(folder / f"{name}.svg", "w") as file:
            file.write(svg)
    with replacing(folder / "theory.csv", "w") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    with replacing(folder / "theory.json", "w") as file:
        file.write(json.dumps(record, indent=1) + "\n")
