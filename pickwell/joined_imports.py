"""Columns that were computed elsewhere, joined to the rows of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def check_imports(paths: Sequence[Path]) -> None:
    """Tell of a wrong file before hours of scoring, not after them.

    Raises:
        BadInputError: See :func:`scoring.imported.imported_table`.
    """
    from scoring.imported import imported_table

    for path in paths:
        imported_table(path)


def join_imports(folder: Path, paths: Sequence[Path], manifest: dict[str, Any]) -> None:
    """Join the columns of files to the rows of a run, all of them or none.

    Args:
        folder: The run; its ``run.json`` need not be there yet.
        paths: The files, with a column ``id``.
        manifest: Gets a note of what was joined, as ``imported``.

    Raises:
        BadInputError: See :func:`scoring.imported.read_imported`.
    """
    from scoring.imported import read_imported
    from scoring.pool import add_columns
    from scoring.run import Run

    scores = Run(folder, {}).scores
    ids, taken = scores["id"].to_pylist(), set(scores.column_names)
    columns: dict[str, Any] = {}
    notes = []
    for path in paths:
        imported = read_imported(path, ids, taken | columns.keys())
        columns |= imported.columns
        notes.append((path.name, imported.notes))
        manifest["imported"] = {
            "files": [str(path) for path in paths],
            "columns": list(columns),
            "matched": imported.matched,
            "unknown_ids": imported.unknown,
        }
    if columns:
        add_columns(folder, columns, notes)
