"""The second pass of a run that is scored like another: pool metrics against the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scoring.engine import Progress
from scoring.images import ARROW_TYPES
from scoring.metric import Metric, Pool, Scores
from scoring.pool import add_columns, open_pool
from scoring.reference.base import IDENTITY, Reference
from scoring.reference.pool_metrics import form_of
from scoring.run import Run
from scoring.scored_rows import ScoredRows
from scoring.store import atomic_path

NOT_METRICS = ("id", "status", "error", "notes")
_BLOCK = 4_096


def score_against(
    folder: Path, metrics: Sequence[Metric], reference: Reference, on_progress: Progress
) -> dict[str, int]:
    """Add the columns of the pool metrics to a run whose rows are written.

    A row whose content the reference holds has the reference's numbers, where there are any, in
    all columns that are a function of content, even where the stores of the first run are lost; a
    row that is the reference's own (id and content) has them in the columns of the pool as well,
    so that it does not count itself as its neighbour.

    Args:
        folder: The run folder of the new rows.
        metrics: Pool metrics; one that has no form for later rows is null, with a note.
        reference: What they are held against.
        on_progress: Called with stage, done and expected count.

    Returns:
        Rows computed per metric.
    """
    own, same = reference.same_rows(Run(folder, {}).samples(IDENTITY))
    keep_content_values(folder, same, reference)
    pool = open_pool(folder, reference.seed)
    columns, notes = pool_columns(pool, metrics, reference, own, on_progress)
    add_columns(folder, columns, notes)
    copy_artefacts(reference.run, folder)
    return {metric.spec.name: len(own) for metric in metrics}


def hold_against(rows: ScoredRows, metrics: Sequence[Metric], reference: Reference) -> ScoredRows:
    """The same as :func:`score_against` for rows in memory."""
    own, same = reference.same_rows(rows.samples)
    known = np.flatnonzero(same >= 0)
    if len(known):
        vectors = dict(rows.vectors)
        for name, matrix in vectors.items():
            stored = reference.run.embedding(name)
            if stored is not None:
                vectors[name] = matrix.copy()
                vectors[name][known] = stored[same[known]]
        rows = replace(rows, vectors=vectors).with_columns(
            content_values(rows.scores, same, reference)
        )
    return rows.with_columns(*pool_columns(rows.pool(reference.seed), metrics, reference, own))


def pool_columns(
    pool: Pool,
    metrics: Sequence[Metric],
    reference: Reference,
    own: np.ndarray,
    on_progress: Progress = lambda stage, done, total: None,
) -> tuple[dict[str, pa.Array], list[tuple[str, Sequence[str | None]]]]:
    """Columns of the pool metrics for new rows, and notes on what is missing.

    Args:
        pool: The new rows.
        metrics: Pool metrics.
        reference: What they are held against.
        own: (n,) position of each row in the reference, -1 where it is new.
        on_progress: Called with stage, done and expected count.
    """
    columns: dict[str, pa.Array] = {}
    notes: list[tuple[str, Sequence[str | None]]] = []
    for number, metric in enumerate(metrics):
        on_progress("pool metrics", number, len(metrics))
        name = metric.spec.name
        form = form_of(name)
        if form is not None:
            scores = form(pool, reference)
        else:
            empty: dict[str, Any] = {
                column.name: np.full(len(own), None) for column in metric.spec.columns
            }
            scores = Scores(empty, ["not defined for rows outside the pool"] * len(own))
        for column in metric.spec.columns:
            values = pa.array(
                scores.columns[column.name], ARROW_TYPES[column.kind], from_pandas=True
            )
            columns[column.name] = _replaced(values, own, reference.run, column.name)
        told = scores.notes if form is not None else _only(scores.notes, own < 0)
        notes.append((name, told))
    on_progress("pool metrics", len(metrics), len(metrics))
    return columns, notes


def keep_content_values(folder: Path, same: np.ndarray, reference: Reference) -> bool:
    """Give rows of equal content the reference's numbers and vectors, where they differ.

    Equal content, metrics and models give equal numbers but for rounding, which may depend on
    what else was in a model's batch: with the stores of the first run there is none, without
    them this takes it away.

    Returns:
        Whether anything differed.
    """
    run = Run(folder, {})
    known = same >= 0
    if not known.any():
        return False
    columns = content_values(run.scores, same, reference)
    changed = any(not columns[name].equals(run.scores[name].combine_chunks()) for name in columns)
    if changed:
        add_columns(folder, columns)
    for name in ("image", "text"):
        changed |= _keep_vectors(folder, name, same, reference.run.embedding(name))
    return changed


def content_values(scores: pa.Table, same: np.ndarray, reference: Reference) -> dict[str, pa.Array]:
    """The columns that a ScoreTable shares with the reference, its numbers in rows it holds.

    Where the reference has none, because its judge could not be asked then, the row keeps its own.
    """
    there = reference.run.scores.column_names
    return {
        name: _replaced(scores[name].combine_chunks(), same, reference.run, name, nulls=False)
        for name in scores.column_names
        if name not in NOT_METRICS and name in there
    }


def copy_artefacts(run: Run, folder: Path) -> None:
    """Store with the new rows what their columns were made with."""
    for path in sorted((run.folder / "artefacts").glob("*.npy")):
        with atomic_path(folder / "artefacts" / path.name) as temporary:
            temporary.write_bytes(path.read_bytes())


def _replaced(
    values: pa.Array, places: np.ndarray, run: Run, name: str, *, nulls: bool = True
) -> pa.Array:
    """Values of the reference where a row has a place there (``nulls`` or not), else its own."""
    known = places >= 0
    if not known.any() or name not in run.scores.column_names:
        return values
    stored = run.scores[name].take(pa.array(np.maximum(places, 0), mask=~known))
    stored = stored.combine_chunks().cast(values.type)
    return pc.if_else(pa.array(known) if nulls else stored.is_valid(), stored, values)


def _keep_vectors(folder: Path, name: str, same: np.ndarray, stored: np.ndarray | None) -> bool:
    path = folder / "embeddings" / f"{name}.npy"
    if stored is None or not path.exists():
        return False
    vectors = np.load(path, mmap_mode="r+")
    changed = False
    known = np.flatnonzero(same >= 0)
    for start in range(0, len(known), _BLOCK):
        rows = known[start : start + _BLOCK]
        wanted = stored[same[rows]]
        if not np.array_equal(vectors[rows], wanted, equal_nan=True):
            vectors[rows] = wanted
            changed = True
    if changed:
        vectors.flush()
    return changed


def _only(notes: Sequence[str | None], where: np.ndarray) -> list[str | None]:
    return [note if told else None for note, told in zip(notes, where, strict=True)]
