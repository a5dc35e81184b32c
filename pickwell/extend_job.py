"""``select NEW --add-to SELECTION``: more picks from new data, the earlier ones left in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from pickwell.extension import Task, extension_of, open_task

if TYPE_CHECKING:
    from pickwell.config import SelectConfig
    from pickwell.joined import JoinedRun, Part
    from scoring.run import Run
    from selector.baseline import BesideRandom
    from selector.selection import Selection

Progress = Callable[[str, int, int | None], None]


def extend_selection(
    run: Run | str | Path,
    out: str | Path,
    given: Mapping[str, Any],
    *,
    on_progress: Progress = lambda stage, done, total: None,
) -> Selection:
    """Add to a selection and write the folder ``out``.

    Args:
        run: The new run (scored with ``--like``, or at least with the same models), or its folder.
        out: The new selection folder; the earlier one is left as it is.
        given: The options that were really given, ``add_to`` and ``budget`` among them; the
            others are those of the earlier selection.
        on_progress: Called with stage, done and expected count.

    Returns:
        The selection as written: earlier picks in their order, then the new ones.

    Raises:
        BadInputError: If selection, run or options cannot be used, or the models differ.
    """
    from pickwell.judging import notes_of
    from pickwell.selection_files import replaced_folder
    from pickwell.selection_job import picker_options, refuse_foreign_selection, source_of_run
    from scoring.run import Run
    from selector.extend import extend

    folder = Path(out)
    task = open_task(run if isinstance(run, Run) else Run.open(Path(run)), given)
    refuse_foreign_selection(folder)
    if folder.resolve() == task.before.folder.resolve():
        raise BadInputError(
            f"{folder} is the selection that is added to.", "Name a new folder after --out."
        )
    source = source_of_run(task.run)
    settings = task.settings
    on_progress("choose", 0, None)
    extension, judged = extension_of(task)
    selection = extend(
        extension, settings.budget, method=settings.method, **picker_options(settings)
    )
    parts = _parts(task)
    comparison = _beside_random(parts, selection, settings)
    selection = replace(
        selection,
        parameters={
            **selection.parameters,
            "adds_to": str(task.before.folder),
            "quality": judged.source,
            "notes": notes_of(judged, selection),
            "quality_columns": judged.columns,
            "floors": judged.floors,
            "scored_like": not task.own_scale,
            "verdict": _verdict(task, parts, comparison, selection),
        },
    )
    on_progress("write", 0, None)
    with replaced_folder(folder) as work:
        _write(work, folder, task, source, parts, selection, comparison)
    return selection


def report_extended(folder: Path, path: Path) -> Path:
    """Write the report of an extended selection again.

    Raises:
        BadInputError: If one of its runs is gone or was scored again.
    """
    from pickwell.chosen import open_chosen
    from pickwell.joined import open_joined
    from pickwell.report_job import make_report

    before = open_chosen(folder)
    joined = open_joined(folder)
    comparison = _beside_random(list(joined.parts), before.selection, before.settings)
    return make_report(path, joined, before.selection, comparison, before.settings, folder)


def _parts(task: Task) -> list[Part]:
    """The rows of the answer's table by run, new run last."""
    import numpy as np

    from pickwell.joined import Part

    parts = []
    ids = np.asarray(task.before.selection.ids, dtype=object)
    for number, run in enumerate(task.before.runs):
        here = task.before.run_of == number
        parts.append(Part(run, task.before.row_of[here], ids[here].tolist()))
    parts.append(Part(task.run, np.arange(len(task.names)), task.names))
    return parts


def _added(parts: Sequence[Part], selection: Selection) -> tuple[JoinedRun, Selection]:
    """The new run alone, and what was chosen from it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from pickwell.joined import join

    new = pc.is_in(selection.table["id"], value_set=pa.array(parts[-1].ids, pa.string()))
    return join([parts[-1]]), replace(selection, table=selection.table.filter(new))


def _beside_random(
    parts: Sequence[Part], selection: Selection, settings: SelectConfig
) -> list[BesideRandom]:
    """The added picks beside as many random rows of the new run."""
    from pickwell.selection_job import compare

    run, added = _added(parts, selection)
    return compare(run, added, settings) if added.ids else []


def _verdict(
    task: Task, parts: Sequence[Part], comparison: Sequence[BesideRandom], selection: Selection
) -> list[str]:
    from pickwell.selection_job import verdict

    p = selection.parameters
    lines = [f"{p['earlier']:,} earlier picks kept in place, {p['added']:,} added."]
    if p.get("message"):
        lines.append(f"{p['message']}.")
    renamed = sum(
        a != b for a, b in zip(task.names, task.run.scores["id"].to_pylist(), strict=True)
    )
    if renamed:
        lines.append(
            f"{renamed:,} new ids are those of earlier picks; these rows are called "
            f"{Path(str(task.run.manifest['input']['path'])).stem}:ID here."
        )
    if task.own_scale:
        lines.append(
            f"{task.run.folder} was not scored like {task.before.runs[0].folder}: its columns of "
            "the pool (boilerplate, neighbours) count within the new data. "
            f"`pickwell score --like {task.before.folder}` holds it against what was chosen from."
        )
    if comparison:
        lines.append(f"The {p['added']:,} added, beside as many random rows of the new data:")
        lines += verdict(_added(parts, selection)[0], comparison)
    return lines


def _write(
    work: Path,
    folder: Path,
    task: Task,
    source: Any,
    parts: Sequence[Part],
    selection: Selection,
    comparison: Sequence[BesideRandom],
) -> None:
    """Everything that a selection folder holds, and where each row came from."""
    from pickwell.chosen import ORIGINS
    from pickwell.extended_records import write_records
    from pickwell.joined import join
    from pickwell.report_job import make_report
    from pickwell.selection_card import write_card
    from pickwell.selection_files import sha256, write_manifest, write_table

    before, run = task.before, task.run
    outputs = [write_table(selection, work), _write_origins(work / ORIGINS, parts)]
    added = set(_added(parts, selection)[1].ids)
    place = run.samples(["row"])["row"].to_pylist()
    rows = sorted(place[at] for at, name in enumerate(task.names) if name in added)
    chosen_ids = [run.scores["id"][at].as_py() for at, n in enumerate(task.names) if n in added]
    records = write_records(
        work / "data", before, source, rows, chosen_ids, copy_images=task.settings.copy_images
    )
    outputs += records.paths
    joined = join(list(parts))
    what = {
        "name": folder.name,
        "path": str(run.manifest["input"]["path"]),
        "how": f"additions to the selection {before.folder}, whose picks come first; "
        f"{records.how}; the new data as {run.manifest['input']['how']}",
    }
    files = [work / part["path"] for part in records.parts]
    outputs.append(
        write_card(work, joined, selection, task.settings, folder, source=what, records=files)
    )
    page = work / "report.html"
    outputs.append(make_report(page, joined, selection, comparison, task.settings, folder))
    write_manifest(
        work,
        inputs=[*_files(before.folder), *source.files()],
        outputs=[path for path in outputs if path.is_file()],
        content={
            "run": str(before.runs[0].folder),
            "run_sha256": sha256(before.runs[0].folder / "run.json"),
            "runs": [
                {"folder": str(part.run.folder), "sha256": sha256(part.run.folder / "run.json")}
                for part in parts
            ],
            "extends": str(before.folder),
            "extends_sha256": sha256(before.folder / "manifest.json"),
            "input": run.manifest["input"] | {"files": len(run.manifest["input"]["files"])},
            "data": records.parts,
            "models": run.manifest["models"],
            "metrics": run.manifest["metrics"],
            "options": task.settings.model_dump(mode="json"),
            "parameters": dict(selection.parameters),
            "funnel": selection.funnel(),
            "truth": None,
        },
    )


def _files(folder: Path) -> list[Path]:
    return [folder / name for name in ("selection.parquet", "manifest.json")]


def _write_origins(path: Path, parts: Sequence[Part]) -> Path:
    """Which row of which run each row of the table is."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from scoring.store import atomic_path

    tables = [
        pa.table(
            {
                "id": pa.array(part.ids, pa.string()),
                "run": pa.array([number] * len(part.ids), pa.int32()),
                "id_in_run": part.run.scores["id"].take(pa.array(part.rows)),
            }
        )
        for number, part in enumerate(parts)
    ]
    with atomic_path(path) as temporary:
        pq.write_table(pa.concat_tables(tables), temporary, compression="zstd")
    return path
