"""``benchmark``: methods of the shelf on a corpus of pictures, beside random, trained alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from pickwell.config import BenchmarkConfig
from pickwell.config_file import checked

if TYPE_CHECKING:
    from data_cards.source import Source
    from finetune.reduce import Line, Outcome
    from pickwell.benchmark_rows import LeftOut
    from scoring.run import Run

Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Benchmark:
    """What ``benchmark`` gives back.

    Attributes:
        folder: Where it lies.
        outcomes: Every training.
        lines: The table.
        rows: Pictures with a class that took part.
        classes: Of those.
        left_out: What took no part, and why.
        there: Trainings that were there already.
        corpus: As it was given.
        stored: Trainings that are kept in the folder, those of other requests among them.
        settings: How it was done.
    """

    folder: Path
    outcomes: list[Outcome]
    lines: list[Line]
    rows: int
    classes: int
    left_out: LeftOut
    there: int
    corpus: str
    stored: int
    settings: BenchmarkConfig


def benchmark(
    corpus: str | Path,
    out: str | Path,
    *,
    config: BenchmarkConfig | None = None,
    on_progress: Progress = lambda stage, done, total: None,
    on_source: Callable[[Source], None] = lambda source: None,
    on_there: Callable[[int, int], None] = lambda there, total: None,
    **options: Any,
) -> Benchmark:
    """Reduce a corpus by every method, train the same recipe on each, and compare with random.

    Args:
        corpus: Pictures with classes, as for :func:`pickwell.prune`; or a corpus pruned before.
        out: Folder for ``benchmark.json``, ``README.md``, ``benchmark.svg`` and what is kept so
            that an interrupted benchmark goes on.
        config: All options at once; ``options`` override single fields.
        on_progress: Called with stage, done and expected count.
        on_source: Called when the format is recognised.
        on_there: Called once, with how many trainings are there already and how many in all.
        **options: Single fields of :class:`~pickwell.config.BenchmarkConfig`.

    Returns:
        The table and everything in it.

    Raises:
        BadInputError: Where corpus or options cannot be used, an option means nothing beside the
            others, or ``out`` holds a benchmark of another corpus or plan, or of this one read or
            embedded otherwise.
    """
    from finetune.reduce import lines_of, run_benchmark, stored_in
    from pickwell.benchmark_files import write_files
    from pickwell.benchmark_plan import budgets_of, entries_of, plan_of
    from pickwell.benchmark_rows import labelled, refuse_no_classes
    from pickwell.prune_corpus import RUN, corpus_of, open_corpus
    from pickwell.same_corpus import refuse_other_corpus

    settings = config or BenchmarkConfig()
    if options:
        given = {**settings.model_dump(exclude_unset=True), **options}
        settings = checked(BenchmarkConfig, given, "options of benchmark")
    folder = Path(out)
    entries, budgets = entries_of(settings), budgets_of(settings)
    _refuse_foreign(folder)
    told = [0]

    def opened(source: Source) -> None:
        on_source(source)
        if not source.columns.get("label"):
            refuse_no_classes(source.format, str(source.given or source.path))

    def there(number: int, total: int) -> None:
        told[0] = number
        on_there(number, total)

    run = _finished(folder / RUN)
    if run is not None:
        refuse_other_corpus(run, corpus, settings.as_prune())
    else:
        run, _, _ = open_corpus(
            corpus, folder / RUN, settings.as_prune(), on_progress=on_progress, on_source=opened
        )
    data, left_out = labelled(corpus_of(run, settings.group), settings)
    plan = plan_of(data, entries, budgets, settings)
    outcomes = run_benchmark(
        data, plan, folder / "trainings", on_progress=on_progress, on_there=there
    )
    made = Benchmark(
        folder, outcomes, lines_of(outcomes), len(data.ids), len(data.class_names), left_out,
        told[0], str(corpus), stored_in(folder / "trainings"), settings,
    )  # fmt: skip
    write_files(made)
    return made


def _refuse_foreign(folder: Path) -> None:
    """Nothing is written among files that are no benchmark's."""
    ours = {"run", "trainings", "benchmark.json", "benchmark.svg", "README.md"}
    if folder.exists() and (not folder.is_dir() or {path.name for path in folder.iterdir()} - ours):
        raise BadInputError(
            f"{folder} holds something else than a benchmark.", "Name a new folder with --out."
        )


def _finished(folder: Path) -> Run | None:
    from scoring.run import Run

    return Run.open(folder) if (folder / "run.json").is_file() else None
