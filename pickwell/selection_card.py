"""The data card of a selection: what was chosen from what, how, and how to do it again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pickwell.config import SelectConfig

if TYPE_CHECKING:
    from scoring.run import Run
    from selector.selection import Selection


def write_card(
    work: Path, run: Run, selection: Selection, settings: SelectConfig, folder: Path
) -> Path:
    """Write ``README.md`` of a selection folder."""
    from data_cards.write_card import selection_card

    from pickwell.report_job import LIMITS, select_command
    from scoring.store import atomic_path

    text = selection_card(
        name=folder.name,
        source=run.manifest["input"],
        models=run.manifest["models"],
        metrics=run.manifest["metrics"],
        parameters=dict(selection.parameters),
        funnel=selection.funnel(),
        command=select_command(run.folder, folder, settings),
        limits=LIMITS,
    )
    path = work / "README.md"
    with atomic_path(path) as temporary:
        temporary.write_text(text, "utf-8")
    return path
