"""What an extension starts from: earlier picks, a new run, and how both are judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from pickwell.config import SelectConfig
from pickwell.config_file import checked

if TYPE_CHECKING:
    import numpy as np

    from pickwell.chosen import Chosen
    from pickwell.judging import Judged
    from scoring.run import Run
    from selector.extend import Extension
    from selector.selection import Candidates

LOCAL = ("budget", "add_to", "copy_images", "random_seeds")
"""Options that are of this step alone; the others are those of the earlier selection."""


@dataclass(frozen=True)
class Task:
    """Earlier picks and the new run, ready to choose from."""

    before: Chosen
    run: Run
    settings: SelectConfig
    names: list[str]
    own_scale: bool


def open_task(run: Run, given: Mapping[str, Any]) -> Task:
    """Check that selection and run go together."""
    from pickwell.chosen import open_chosen

    if given.get("budget") is None:
        raise BadInputError("Nothing says how many to add.", "Give --budget, e.g. --budget 50.")
    before = open_chosen(Path(given["add_to"]))
    base = before.runs[0]
    inherited = {
        name: value for name, value in before.settings.model_dump().items() if name not in LOCAL
    }
    settings = checked(SelectConfig, {**inherited, **given}, "options of select")
    if run.folder.resolve() in {known.folder.resolve() for known in before.runs}:
        raise BadInputError(
            f"{run.folder} is a run that {before.folder} was chosen from already.",
            "Choose anew with a larger --budget, or add from a run of new data.",
        )
    mine, theirs = run.manifest["models"], base.manifest["models"]
    if mine.get("encoder") != theirs.get("encoder"):
        raise BadInputError(
            f"{run.folder} was scored with another encoder ({mine.get('encoder')}) than "
            f"{base.folder} ({theirs.get('encoder')}), from which {before.folder} was chosen: "
            "their vectors cannot be compared.",
            f"Score the new data with --like {before.folder}.",
        )
    columns = before.selection.parameters["quality_columns"]
    changed = [
        name
        for name in _metrics_of(columns)
        if run.manifest["metrics"].get(name) != base.manifest["metrics"].get(name)
    ]
    if changed:
        raise BadInputError(
            f"{run.folder} was not scored with the same {', '.join(changed)} as {base.folder}.",
            f"Score the new data with --like {before.folder}.",
        )
    if run.manifest["status"].get("ok", 0) == 0:
        raise BadInputError(
            f"All rows of {run.folder} are bad.", "Look at the reasons in scores.parquet."
        )
    like = run.manifest.get("like")
    own_scale = like is None or Path(like).resolve() != base.folder.resolve()
    return Task(before, run, settings, names_beside(before, run), own_scale)


def _metrics_of(columns: Sequence[str]) -> list[str]:
    """The metrics that columns belong to."""
    from scoring.metric import registry

    return [
        name
        for name, metric in registry().items()
        if {column.name for column in metric.spec.columns} & set(columns)  # type: ignore[attr-defined]
    ]


def names_beside(before: Chosen, run: Run) -> list[str]:
    """Ids of the new rows in the new selection: their own, but where an earlier pick has it."""
    taken = set(before.selection.ids)
    ids: list[str] = run.scores["id"].to_pylist()
    clashes = taken & set(ids)
    used = taken | set(ids)
    stem = Path(str(run.manifest["input"]["path"])).stem or run.folder.name
    names = []
    for id_ in ids:
        if id_ in clashes:
            id_ = f"{stem}:{id_}"
            while id_ in used:
                id_ += "+"
            used.add(id_)
        names.append(id_)
    return names


def extension_of(task: Task) -> tuple[Extension, Judged]:
    """Everything in one table: earlier picks, new rows, the rest of the earlier pools."""
    import numpy as np

    from pickwell.judging import judge, make_candidates
    from pickwell.judging_like import judge_against
    from scoring.reference import Reference
    from selector.extend import Extension

    before = task.before
    reference = Reference(before.runs[0])
    judged = judge_against(reference, task.run, task.settings)
    tables: list[tuple[Candidates, np.ndarray]] = [
        (before.candidates(), np.arange(len(before.row_of))),
        (
            replace(make_candidates(task.run, judged), ids=np.asarray(task.names, dtype=object)),
            np.arange(len(task.names)),
        ),
    ]
    for number, run in enumerate(before.runs):
        there = judge(run, task.settings) if not number else None
        there = there or judge_against(reference, run, task.settings)
        rest = np.ones(len(run.scores), dtype=bool)
        rest[before.row_of[before.run_of == number]] = False
        rows = np.flatnonzero(rest & (there.refused == None))  # noqa: E711  (elementwise)
        pool = make_candidates(run, there)
        ids = np.array([f"\0{number}\0{id_}" for id_ in pool.ids], dtype=object)
        tables.append((replace(pool, ids=ids), rows))
    earlier, new = len(tables[0][1]), len(tables[1][1])
    reasons = [
        reason
        if reason.startswith("kept: ")
        else f"kept: pick {rank:,} of {before.folder}: {reason}"
        for reason, rank in zip(
            before.picks["reason"].to_pylist(), before.picks["rank"].to_pylist(), strict=True
        )
    ]
    return (
        Extension(_stack(tables), np.arange(earlier), np.arange(earlier, earlier + new), reasons),
        judged,
    )


def _stack(tables: Sequence[tuple[Candidates, np.ndarray]]) -> Candidates:
    """Some rows of several tables as one; vectors stay where they are."""
    import numpy as np

    from selector.selection import Candidates
    from selector.stacked import StackedRows

    def column(name: str) -> np.ndarray:
        return np.concatenate([getattr(table, name)[rows] for table, rows in tables])

    def vectors(name: str) -> Any:
        used = [(getattr(table, name), rows) for table, rows in tables if len(rows)]
        return None if any(matrix is None for matrix, _ in used) else StackedRows(used)

    return Candidates(
        **{name: column(name) for name in ("ids", "quality", "refused", "failed", "content")},
        image_vectors=vectors("image_vectors"),
        text_vectors=vectors("text_vectors"),
    )
