"""``select``: floors, quality, choice, and everything a selection folder holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from pickwell.config import ScoreConfig, SelectConfig
from pickwell.config_file import checked
from pickwell.judging import judge, make_candidates, notes_of
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
    refuse_foreign_selection(folder)
    if not len(opened.scores):
        raise BadInputError(f"{opened.folder} holds no row.", "Score data that has some.")
    _refuse_idle(settings, set(options) if "method" in options else set(given))
    source = source_of_run(opened)
    judged = judge(opened, settings)
    # what "auto" stood for: a later fit must not change what this selection means
    settings = settings.model_copy(update={"quality": judged.setting})
    candidates = make_candidates(opened, judged)
    on_progress("choose", 0, None)
    started = time.perf_counter()
    chosen = choose(candidates, settings.budget, method=settings.method, **picker_options(settings))
    took = time.perf_counter() - started
    comparison = compare(opened, chosen, settings)
    chosen = replace(
        chosen,
        parameters={
            **chosen.parameters,
            "quality": judged.source,
            "notes": notes_of(judged, chosen),
            "quality_columns": judged.columns,
            "floors": judged.floors,
            "verdict": verdict(opened, comparison),
        },
    )
    on_progress("write", 0, None)
    known = truth(chosen) if truth is not None else None
    _write_folder(folder, opened, source, settings, chosen, comparison, known, took)
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


def picker_options(settings: SelectConfig) -> dict[str, Any]:
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
    uses = find_picker(settings.method, Options())[0].uses | {"seed"}
    return {name: value for name, value in wanted.items() if name in uses}


def _refuse_idle(settings: SelectConfig, given: set[str]) -> None:
    """Refuse an option that was given with the method and means nothing to it."""
    from selector.picker import Options, find_picker

    uses = find_picker(settings.method, Options())[0].uses
    known = {"clusters": "clusters", "clustering": "algorithm", "space": "space"}
    known |= {"tempering": "tempering", "near_duplicate": "near_duplicate"}
    for option, name in known.items():
        if option in given and name not in uses:
            raise BadInputError(
                f"--{option.replace('_', '-')} means nothing to the method {settings.method!r}.",
                "Leave it out, or choose another --method.",
            )


def refuse_foreign_selection(folder: Path) -> None:
    """Never replace a folder that is not a selection.

    Raises:
        BadInputError: It is a file, or holds something else.
    """
    if folder.is_file():
        raise BadInputError(f"{folder} is a file.", "Name a folder after --out.")
    # many programs write a manifest.json: what is replaced must be a selection
    own = all((folder / name).is_file() for name in ("manifest.json", "selection.parquet"))
    if folder.is_dir() and any(folder.iterdir()) and not own:
        raise BadInputError(
            f"{folder} is not empty and holds no selection.", "Name a new folder after --out."
        )


def source_of_run(run: Run) -> Source:
    """The input of a run, opened again for its records; it must not have changed."""
    from data_cards.source import open_source

    described = run.manifest["input"]
    settings = checked(ScoreConfig, run.manifest["options"], str(run.folder / "run.json"))
    # what the hub holds at a commit cannot change: a cleared cache is filled again
    for entry in [] if described.get("revision") else described["files"]:
        path = Path(entry["path"])
        if not _unchanged(path, entry):
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
        config=settings.subset,
        streaming=settings.streaming,
        allow_urls=settings.allow_urls,
        default_instruction=settings.instruction,
        revision=described.get("revision"),
    )


def _unchanged(path: Path, entry: Mapping[str, Any]) -> bool:
    from pickwell.selection_files import sha256

    if not path.is_file() or path.stat().st_size != entry["bytes"]:
        return False
    return "sha256" not in entry or sha256(path) == entry["sha256"]


def _write_folder(
    folder: Path,
    run: Run,
    source: Source,
    settings: SelectConfig,
    selection: Selection,
    comparison: Sequence[BesideRandom],
    truth: Sequence[Comparison] | None,
    seconds: float,
) -> None:
    """Write everything beside the old folder, then swap: never half a selection."""
    from pickwell.report_chapters import chapters_of
    from pickwell.report_job import make_report
    from pickwell.selection_card import write_card
    from pickwell.selection_files import replaced_folder, sha256, write_manifest, write_table

    with replaced_folder(folder) as work:
        place = dict(
            zip(
                run.scores["id"].to_pylist(),
                run.samples(["row"])["row"].to_pylist(),
                strict=True,
            )
        )
        rows = sorted(place[id_] for id_ in selection.ids)
        outputs = [write_table(selection, work)]
        records = source.copy_rows(rows, work / "data", copy_images=settings.copy_images)
        outputs += records
        written = [path for path in records if path.is_file()]
        outputs.append(write_card(work, run, selection, settings, folder, records=written))
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
                "seconds": round(seconds, 3),  # of choosing alone
            },
        )
