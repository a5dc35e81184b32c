"""``select``: floors, quality, choice, and everything a selection folder holds."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from pickwell.config import ScoreConfig, SelectConfig, checked
from pickwell.judging import judge, make_candidates
from pickwell.scoring_job import open_run

if TYPE_CHECKING:
    from data_cards.source import Source
    from pickwell.report.data import Comparison
    from scoring.run import Run
    from selector.baseline import BesideRandom
    from selector.selection import Selection

Progress = Callable[[str, int, int | None], None]


def select(
    run: Run | str | Path,
    out: str | Path,
    *,
    config: SelectConfig | None = None,
    on_progress: Progress = lambda stage, done, total: None,
    truth: Callable[[Selection], Sequence[Comparison]] | None = None,
    **options: Any,
) -> Selection:
    """Choose from a scored run and write the selection folder ``out``.

    Runs no model: floors, quality and choice are functions of the run's columns.

    Args:
        run: A run, or its folder.
        out: The selection folder; what is there is replaced.
        config: All options at once; ``options`` override single fields, e.g. ``budget=100``.
        on_progress: Called with stage, done and expected count.
        **options: Single fields of :class:`~pickwell.config.SelectConfig`.
        truth: Demo only: counts known defects of a finished selection, for the report.

    Returns:
        The :class:`~selector.selection.Selection`, as written to ``selection.parquet``.

    Raises:
        BadInputError: Where run or options cannot be used.
    """
    from scoring.run import Run
    from selector.pick import select as choose

    settings = config or SelectConfig()
    given = settings.model_dump(exclude_unset=True) | options
    if given.get("add_to") is not None:
        from pickwell.extend_job import extend_selection

        return extend_selection(run, out, given, on_progress=on_progress)
    if options:
        settings = checked(SelectConfig, {**settings.model_dump(), **options}, "options of select")
    opened = run if isinstance(run, Run) else open_run(run)
    folder = Path(out)
    _refuse_foreign_folder(folder)
    source = _source_of(opened)
    judged = judge(opened, settings)
    # what "auto" stood for: a later fit must not change what this selection means
    settings = settings.model_copy(update={"quality": judged.setting})
    candidates = make_candidates(opened, judged)
    on_progress("choose", 0, None)
    chosen = choose(
        candidates, settings.budget, method=settings.method, **_picker_options(settings)
    )
    comparison = compare(opened, chosen, settings)
    chosen = replace(
        chosen,
        parameters={
            **chosen.parameters,
            "quality": judged.source,
            "quality_notes": judged.notes,
            "quality_columns": judged.columns,
            "floors": judged.floors,
            "verdict": verdict(opened, comparison),
        },
    )
    on_progress("write", 0, None)
    known = truth(chosen) if truth is not None else None
    _write_folder(folder, opened, source, settings, chosen, comparison, known)
    return chosen


def compare(run: Run, selection: Selection, settings: SelectConfig) -> list[BesideRandom]:
    """Every metric column: mean of the chosen beside random picks of the same size."""
    import numpy as np

    from selector.baseline import beside_random, random_draws

    numbers = run.numeric()
    bad = np.asarray(run.scores["status"].to_pylist(), object) != "ok"
    measures = {
        name: np.where(bad, np.nan, numbers[name]) for name in run.columns() if name in numbers
    }
    ids = run.scores["id"].to_pylist()
    place = {id_: row for row, id_ in enumerate(ids)}
    rows = np.array([place[id_] for id_ in selection.ids], np.int64)
    readable = np.flatnonzero(~bad)
    draws = random_draws([ids[i] for i in readable], len(rows), range(settings.random_seeds))
    return beside_random(measures, rows, readable[draws])


def verdict(run: Run, comparison: Sequence[BesideRandom]) -> list[str]:
    """In words: on which measures the chosen are better than random, and on which they are not.

    A measure that is the same in every row is said to be so: no choice could change it.
    """
    declared = run.columns()
    groups: dict[str, list[str]] = {"better": [], "no different": [], "worse": [], "constant": []}
    for row in comparison:
        direction = declared[row.name].direction
        if direction == "none":
            continue
        sign = 1 if direction == "higher" else -1
        high, low = sorted((sign * row.random_low, sign * row.random_high), reverse=True)
        value = sign * row.chosen
        outcome = "better" if value > high else "worse" if value < low else "no different"
        groups["constant" if row.constant else outcome].append(row.name)
    words = {
        "better": "Better than random picks (outside their 95 % interval)",
        "no different": "No better than random",
        "worse": "Worse than random",
        "constant": "The same in every row, so that it says nothing",
    }
    return [f"{words[key]}: {', '.join(names)}." for key, names in groups.items() if names]


def _picker_options(settings: SelectConfig) -> dict[str, Any]:
    """Only what the method knows: the others keep their defaults."""
    from selector.duplicates import NearDuplicate
    from selector.picker import Options, find_picker

    cosine = settings.near_duplicate
    wanted = {
        "seed": settings.seed,
        "clusters": settings.clusters,
        "algorithm": settings.clustering,
        "space": settings.space,
        "tempering": settings.tempering,
        "near_duplicate": NearDuplicate(cosine, cosine) if cosine <= 1 else None,
    }
    uses = find_picker(settings.method, Options()).uses | {"seed"}
    return {name: value for name, value in wanted.items() if name in uses}


def _refuse_foreign_folder(folder: Path) -> None:
    if folder.is_file():
        raise BadInputError(f"{folder} is a file.", "Name a folder after --out.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "manifest.json").exists():
        raise BadInputError(
            f"{folder} is not empty and holds no selection.", "Name a new folder after --out."
        )


def _source_of(run: Run) -> Source:
    """The input of a run, opened again for its records; it must not have changed."""
    from data_cards.source import open_source

    described = run.manifest["input"]
    settings = checked(ScoreConfig, run.manifest["options"], str(run.folder / "run.json"))
    for entry in described["files"]:
        path = Path(entry["path"])
        if not path.is_file() or path.stat().st_size != entry["bytes"]:
            what = "has changed" if path.exists() else "is gone"
            raise BadInputError(
                f"{path} {what} since it was scored.",
                "The chosen records are copied from it: put it back, or score it again.",
            )
    return open_source(
        described["path"],
        format=described["format"],
        images=settings.images,
        card=settings.card,
        columns=settings.columns or None,
        split=settings.split,
        default_instruction=settings.instruction,
    )


def _write_folder(
    folder: Path,
    run: Run,
    source: Source,
    settings: SelectConfig,
    selection: Selection,
    comparison: Sequence[BesideRandom],
    truth: Sequence[Comparison] | None,
) -> None:
    """Write everything beside the old folder, then swap: never half a selection."""
    import shutil

    from pickwell.report_chapters import chapters_of
    from pickwell.report_job import make_report
    from pickwell.selection_card import write_card
    from pickwell.selection_files import sha256, write_manifest, write_table

    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".partial", dir=folder.parent))
    try:
        place = dict(
            zip(
                run.scores["id"].to_pylist(),
                run.samples(["row"])["row"].to_pylist(),
                strict=True,
            )
        )
        rows = sorted(place[id_] for id_ in selection.ids)
        outputs = [write_table(selection, work)]
        outputs += source.copy_rows(rows, work / "data", copy_images=settings.copy_images)
        outputs.append(write_card(work, run, selection, settings, folder))
        page = work / "report.html"
        chapters = chapters_of(run)
        outputs.append(
            make_report(page, run, selection, comparison, settings, folder, truth, chapters)
        )
        write_manifest(
            work,
            inputs=source.files(),
            outputs=[path for path in outputs if path.is_file()],
            content={
                "run": str(run.folder),
                "run_sha256": sha256(run.folder / "run.json"),
                "input": run.manifest["input"] | {"files": len(run.manifest["input"]["files"])},
                "models": run.manifest["models"],
                "metrics": run.manifest["metrics"],
                "options": settings.model_dump(mode="json"),
                "parameters": dict(selection.parameters),
                "funnel": selection.funnel(),
                "truth": truth,
            },
        )
        work.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        work.rename(folder)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
