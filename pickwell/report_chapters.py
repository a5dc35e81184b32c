"""Chapters of the report: the fitted quality, the fine-tuned model, the next batch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from pickwell.report.data import Chapter

if TYPE_CHECKING:
    from scoring.drift import Measure
    from scoring.run import Run

DRIFT_SHOWN = 6
TOLD = ("nll", "nll_image_gain", "two_choice_mean", "two_choice_mean_blind", "exact", "contained")
"""Figures of an evaluation that the report repeats; its own page has them all."""


def chapters_of(
    run: Run, evaluation: Path | None = None, batch: Path | None = None
) -> list[Chapter]:
    """What there is to tell beside the choice itself, in the order in which it came about.

    Args:
        run: The run that was chosen from; its fitted quality is told if it has one.
        evaluation: A folder that `pickwell evaluate` wrote.
        batch: A run that `pickwell score --like` wrote.

    Raises:
        BadInputError: If a folder is not what it should be.
    """
    found = [fitted_chapter(run.folder / "quality")]
    if evaluation is not None:
        found.append(evaluation_chapter(evaluation))
    if batch is not None:
        found.append(batch_chapter(batch))
    return [chapter for chapter in found if chapter is not None]


def fitted_chapter(folder: Path) -> Chapter | None:
    """What was learned from labels, and how much it is worth; ``None`` if nothing was fitted."""
    from scoring.quality.model import QualityModel

    if not folder.is_dir():
        return None
    model = QualityModel.load(folder)
    worth = model.worth
    if not worth.get("regressors"):
        return None
    labels = worth["labels"]
    rows = []
    for row in worth["regressors"]:
        bar = row["name"] == "mean"
        rows.append(
            (
                "mean (the bar)" if bar else row["name"],
                f"{row['mse']:.4g}",
                "0" if bar else f"{row['r2']:+.3f}",
                "" if bar else f"{row['r2_low']:+.3f} to {row['r2_high']:+.3f}",
                "" if bar else f"{row['p_adjusted']:.3g}",
            )
        )
    about = (
        f"{labels['count']:,} labels per {labels['unit']}, {len(worth['features'])} features; "
        f"{worth['folds_how']}."
    )
    return Chapter(
        title="What the labels taught",
        text=[*model.messages, about],
        head=["Regressor", "Squared error", "R², held out", "95 % interval", "p, corrected"],
        rows=rows,
    )


def evaluation_chapter(folder: Path) -> Chapter:
    """The fine-tuned model beside the model before, on held-out pairs."""
    from pickwell.evaluation_summary import LABELS

    told = read_evaluation(folder)
    figures, before, differences = told["figures"], told["baseline"] or {}, told["differences"]
    rows = []
    for name in TOLD:
        if name not in figures:
            continue
        rows.append(
            (
                LABELS[name],
                _figure(before.get(name)),
                _figure(figures[name]),
                _figure(differences.get(name)),
                differences.get(name, {}).get("verdict", ""),
            )
        )
    text = [f"{told['model']}, on held-out pairs that no selector has seen; 95 % intervals."]
    if told["left_out"]:
        text.append(f"{len(told['left_out']):,} samples could not be measured.")
    return Chapter(
        title="Fine-tuned on the chosen",
        text=text,
        head=["Measure", "Before", "After", "Difference", "Verdict"],
        rows=rows,
    )


def read_evaluation(folder: Path) -> dict[str, Any]:
    """The content of ``evaluation.json``.

    Raises:
        BadInputError: If there is none, or it is not one.
    """
    path = folder / "evaluation.json"
    try:
        told = json.loads(path.read_text("utf-8"))
        if not isinstance(told["figures"], dict):
            raise TypeError("figures are missing")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInputError(
            f"{folder} holds no evaluation ({error}).",
            "Make one with `pickwell evaluate MODEL DATA --out FOLDER`.",
        ) from error
    return told


def batch_chapter(folder: Path) -> Chapter:
    """How a later batch stands beside the pool."""
    from pickwell.batch_drift import DRIFT, read_drift
    from pickwell.like_summary import lines_of
    from scoring.run import Run

    run = Run.open(folder)
    if "like" not in run.manifest or not (folder / DRIFT).is_file():
        raise BadInputError(
            f"{folder} was not scored against another run.",
            "Make it with `pickwell score DATA --like RUN --out FOLDER`.",
        )
    drift = read_drift(folder)
    measures = sorted(drift.measures, key=lambda m: m.adjusted)[:DRIFT_SHOWN]
    return Chapter(
        title="The next batch",
        text=[*lines_of(run), drift.sentence],
        head=["Measure", "Cliff's delta", "p, corrected", "Drifted"],
        rows=[
            (m.name, _effect(m), f"{m.adjusted:.3g}", "yes" if m.drifted else "no")
            for m in measures
        ],
    )


def _effect(measure: Measure) -> str:
    return "–" if measure.effect is None else f"{measure.effect:+.2f}"


def _figure(figure: Mapping[str, Any] | None) -> str:
    """Value and interval; a dash where there is none."""
    if figure is None or figure["value"] is None:
        return "–"
    ends: Sequence[float | None] = (figure["low"], figure["high"])
    if None in ends:
        return f"{figure['value']:.3f}"
    return f"{figure['value']:.3f} ({ends[0]:.3f} to {ends[1]:.3f})"
