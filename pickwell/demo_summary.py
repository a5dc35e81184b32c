"""What the demo prints when it is done: one step after the other, and the truth about the picks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pickwell.console import out

if TYPE_CHECKING:
    from pickwell.demo_job import Outcome


def print_outcome(outcome: Outcome, folder: Path) -> None:
    """Every step's own summary under its heading."""
    from pickwell.evaluation_summary import print_evaluation
    from pickwell.finetune_summary import print_training
    from pickwell.fit_summary import print_fit
    from pickwell.like_summary import print_like
    from pickwell.summary import print_run, print_selection

    _heading("Score")
    print_run(outcome.run)
    _heading("Fit: what the marks teach (cross-validated)")
    print_fit(outcome.fitted, outcome.run.folder / "quality")
    _heading("Select")
    print_selection(outcome.selection, folder / "selection")
    for line in outcome.lines:
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    if outcome.trained is not None:
        _heading("Fine-tune: adapters of the embedded model on the chosen")
        print_training(outcome.trained)
    if outcome.evaluation is not None:
        _heading("Evaluate: held-out pairs, before (baseline) and after")
        print_evaluation(outcome.evaluation)
    _heading("The next batch")
    print_like(outcome.batch)
    out.print()
    out.print(f"Report: {folder / 'selection' / 'report.html'}", markup=False, soft_wrap=True)


def _heading(text: str) -> None:
    out.print()
    out.print(text, style="bold underline")
