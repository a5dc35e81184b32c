"""Gather what the report draws from a run and its selection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.counted import counted
from data_cards.errors import BadInputError
from pickwell.config import SelectConfig
from pickwell.config_file import checked
from pickwell.report.build import write_report
from pickwell.report.data import Chapter, Comparison, MetricNote, Quota, ReportData, ReportRows
from pickwell.report.limits import limits_of
from pickwell.report_chapters import chapters_of
from pickwell.selection_command import select_command
from pickwell.selection_files import sha256, versions

if TYPE_CHECKING:
    from scoring.metric import Column
    from scoring.run import Run
    from selector.baseline import BesideRandom
    from selector.selection import Selection

ROWS_ON_PAGE = 10_000
STAGES = {
    "failed": "could not be read or has no response",
    "floored": "below a floor: clearly broken",
    "duplicate": "same or nearly the same as a better one",
    "not chosen": "readable and above the floors, but the places went to others",
    "chosen": "the selection",
}


def make_report(
    path: Path,
    run: Run,
    selection: Selection,
    comparison: Sequence[BesideRandom],
    settings: SelectConfig,
    folder: Path,
    truth: Sequence[Comparison] | None = None,
    chapters: Sequence[Chapter] = (),
) -> Path:
    """Write the report of a selection to ``path``.

    Args:
        path: The HTML file.
        run: What was chosen from.
        selection: What was chosen.
        comparison: The chosen beside random picks, per metric column.
        settings: How it was chosen.
        folder: The selection folder, for the command line that the page shows.
        truth: Known defects among chosen and random picks, where the truth is known.
        chapters: What was learned before, and what came of the choice.

    Returns:
        ``path``.
    """
    manifest = run.manifest
    parameters = selection.parameters
    funnel = selection.funnel()
    source = manifest["input"]
    name = Path(source["path"]).stem if source["card"] is None else source["card"]
    rows, left_out = _rows(run, selection)
    facts = [
        ("Input", str(source["path"])),
        ("Format", source["how"]),
        ("Models", _models(manifest)),
        ("Quality", f"{parameters['quality']} of {', '.join(parameters['quality_columns'])}"),
        ("Method", f"{settings.method}, budget {settings.budget:,}, seed {settings.seed}"),
        ("Clusters", _clusters(parameters)),
        ("Scoring", f"{counted(manifest['rows'], 'row')} in {manifest['seconds']:,.0f} s"),
    ]
    if left_out:
        facts.append(("Rows on this page", f"{len(rows):,}; {left_out:,} more in the table"))
    data = ReportData(
        title=name,
        created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        command=select_command(run.folder, folder, settings),
        versions=versions(),
        facts=facts,
        funnel=[
            ("read", sum(funnel.values()), "rows of the input"),
            *((stage, count, STAGES[stage]) for stage, count in funnel.items()),
        ],
        rows=rows,
        metrics=_metric_notes(run),
        baseline=_comparisons(run, comparison),
        truth=truth,
        floors=parameters["floors"],
        quotas=_quotas(selection),
        limits=limits_of(str(parameters["quality"]), settings, parameters.get("notes") or ()),
        chapters=chapters,
    )
    return write_report(data, path)


def report_again(
    folder: Path,
    path: Path | None = None,
    *,
    evaluation: Path | None = None,
    batch: Path | None = None,
) -> Path:
    """Write the report of an existing selection folder anew.

    Args:
        folder: The selection folder.
        path: The HTML file; ``report.html`` in the folder if not given.
        evaluation: A folder that `pickwell evaluate` wrote, to be told on the page.
        batch: A run that `pickwell score --like` wrote, to be told on the page.

    Raises:
        BadInputError: If the folder or its run is not there any more, or the run has changed.
    """
    from pickwell.pruned_before import is_pruned
    from pickwell.selection_files import open_selection
    from pickwell.selection_job import compare
    from scoring.reference.base import manifest_of
    from scoring.run import Run

    selection = open_selection(folder)
    if is_pruned(folder):
        raise BadInputError(
            f"{folder} is a pruned corpus; `pickwell prune` writes its report itself.",
            f"Open {folder / 'report.html'}; the command at its foot writes it again.",
        )
    manifest = manifest_of(folder, "manifest.json")
    if "runs" in manifest:
        from pickwell.extend_job import report_extended

        return report_extended(folder, path or folder / "report.html")
    if not {"run", "options"} <= set(manifest):
        raise BadInputError(
            f"{folder}/manifest.json names no run.", "Select again with `pickwell select`."
        )
    run = Run.open(Path(manifest["run"]))
    if manifest.get("run_sha256") != sha256(run.folder / "run.json"):
        raise BadInputError(
            f"{run.folder} was scored again after {folder} was chosen from it.",
            "Select again with `pickwell select`; the report there is left as it is.",
        )
    settings = checked(SelectConfig, manifest["options"], str(folder / "manifest.json"))
    comparison = compare(run, selection, settings)
    target = path or folder / "report.html"
    truth = manifest.get("truth")
    chapters = chapters_of(run, evaluation, batch)
    return make_report(target, run, selection, comparison, settings, folder, truth, chapters)


def _rows(run: Run, selection: Selection) -> tuple[ReportRows, int]:
    """The selection's rows joined with texts, numbers and pictures; at most ROWS_ON_PAGE."""
    table = selection.table
    left_out = max(0, len(table) - ROWS_ON_PAGE)
    table = table.slice(0, ROWS_ON_PAGE)
    place = {id_: row for row, id_ in enumerate(run.scores["id"].to_pylist())}
    take = [place[id_] for id_ in table["id"].to_pylist()]
    samples = run.samples().take(take)
    scores = run.scores.take(take)
    pictures = run.thumbnails()
    first_keys = [keys[0] if keys else None for keys in samples["image_keys"].to_pylist()]
    names = [names[0] if names else None for names in samples["image_names"].to_pylist()]
    notes = zip(scores["error"].to_pylist(), scores["notes"].to_pylist(), strict=True)
    places = _map(scores)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    return (
        ReportRows(
            **columns_of(columns),
            source=samples["source"].to_pylist(),
            instruction=samples["instruction"].to_pylist(),
            response=samples["response"].to_pylist(),
            note=[error or note for error, note in notes],
            values={name: scores[name].to_pylist() for name in shown_columns(run)},
            thumbnail=[pictures.get(key) if key else None for key in first_keys],
            image=names,
            x=places and places[0],
            y=places and places[1],
        ),
        left_out,
    )


_MAP_COLUMNS = ("map_x", "map_y")
_ROW_FIELDS = ("id", "stage", "rank", "quality", "cluster", "reason", "rival", "similarity")


def columns_of(columns: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """The columns of a selection's table that the report shows as they are."""
    return {name: columns[name] for name in _ROW_FIELDS}


def shown_columns(run: Run) -> dict[str, Column]:
    """Columns for the eye: not coordinates in the pool, whose mean or shape says nothing."""
    from scoring.metric import registry

    coordinates = {
        column.name
        for metric in registry().values()
        if "pool" in metric.spec.needs  # type: ignore[attr-defined]
        for column in metric.spec.columns  # type: ignore[attr-defined]
        if column.direction == "none"
    }
    return {name: c for name, c in run.columns().items() if name not in coordinates}


def _map(scores: Any) -> tuple[list[float | None], list[float | None]] | None:
    if not set(_MAP_COLUMNS) <= set(scores.column_names):
        return None
    x, y = (scores[name].to_pylist() for name in _MAP_COLUMNS)
    return (x, y) if any(value is not None for value in x) else None


def _models(manifest: Mapping[str, Any]) -> str:
    models = manifest["models"]
    specs = models.get("specs") or {}
    keys = [
        f"{role.replace('_', ' ')} {specs.get(role, '')} {key}".replace("  ", " ")
        for role, key in models.items()
        if role not in ("name", "specs") and key
    ]
    return f"{models['name']} ({', '.join(keys)})" if keys else str(models["name"])


def _clusters(parameters: Mapping[str, Any]) -> str:
    if not parameters.get("clusters"):
        return "none"
    words = f"{parameters['clusters']} by {parameters.get('algorithm')}"
    return f"{words} on {parameters['space']} vectors" if parameters.get("space") else words


def _metric_notes(run: Run) -> list[MetricNote]:
    from scoring.metric import registry

    specs = {
        column.name: metric.spec  # type: ignore[attr-defined]
        for metric in registry().values()
        for column in metric.spec.columns  # type: ignore[attr-defined]
    }
    notes = []
    for name, column in shown_columns(run).items():
        note = MetricNote(
            name=name,
            description=column.description,
            direction=column.direction,
            range=column.range,
        )
        if name in specs:
            note["formula"], note["source"] = specs[name].formula, specs[name].source
        notes.append(note)
    return notes


def _comparisons(run: Run, rows: Sequence[BesideRandom]) -> list[Comparison]:
    shown = shown_columns(run)
    return [
        Comparison(
            name=row.name,
            chosen=row.chosen,
            random_mean=row.random_mean,
            random_low=row.random_low,
            random_high=row.random_high,
            seeds=row.draws,
            direction=shown[row.name].direction,
            constant=row.constant,
        )
        for row in rows
        if row.name in shown
    ]


def _quotas(selection: Selection) -> list[Quota]:
    import pyarrow.compute as pc

    table = selection.table.filter(
        pc.is_in(selection.table["stage"], value_set=_array(["chosen", "not chosen", "duplicate"]))
    )
    sizes: dict[int, int] = {}
    taken: dict[int, int] = {}
    exemplar: dict[int, str] = {}
    for id_, stage, cluster in zip(
        *(table[name].to_pylist() for name in ("id", "stage", "cluster")), strict=True
    ):
        if cluster is None:
            continue
        sizes[cluster] = sizes.get(cluster, 0) + 1
        if stage == "chosen":
            taken[cluster] = taken.get(cluster, 0) + 1
            exemplar.setdefault(cluster, id_)
    return [
        Quota(
            cluster=cluster,
            size=sizes[cluster],
            places=selection.quotas.get(cluster, 0),
            taken=taken.get(cluster, 0),
            label=exemplar.get(cluster),
        )
        for cluster in sorted(sizes)
    ]


def _array(values: list[str]) -> Any:
    import pyarrow as pa

    return pa.array(values)
