"""``score --like``: new pairs with the models, metrics and fitted parts of an earlier run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from pickwell.config import ScoreConfig
from pickwell.config_file import checked
from pickwell.joined_imports import check_imports, join_imports

if TYPE_CHECKING:
    from data_cards.source import Source
    from pickwell.chosen import Chosen
    from scoring.metric import Metric, Models
    from scoring.reference import Reference
    from scoring.run import Run

Progress = Callable[[str, int, int | None], None]
READING = ("card", "columns", "instruction", "format")
"""How data is read: taken over from the reference unless one of them is given."""


@dataclass(frozen=True)
class Opened:
    """What later rows are held against.

    Attributes:
        reference: The run.
        picked: The selection that near-duplicates are looked for among.
        digest: SHA-256 of the ``run.json`` that was opened.
        judge_cache: Where a judge's answers are kept; ``None``: nowhere.
    """

    reference: Reference
    picked: Chosen | None
    digest: str
    judge_cache: Path | None = None

    @cached_property
    def models_and_metrics(self) -> tuple[Models, list[Metric]]:
        """Those of the reference; see :meth:`Reference.models_and_metrics`."""
        return self.reference.models_and_metrics(judge_cache=self.judge_cache)

    @cached_property
    def stored(self) -> ScoreConfig:
        """The options that the reference was scored with."""
        run = self.reference.run
        options: ScoreConfig = checked(
            ScoreConfig, run.manifest["options"], str(run.folder / "run.json")
        )
        return options


def open_like(
    like: Path, chosen: Path | None = None, *, warm: bool = False, cache: Path | None = None
) -> Opened:
    """Open a run, or a selection, which leads to its run.

    Args:
        like: The run or selection.
        chosen: Another selection, whose picks near-duplicates are looked for among.
        warm: Hold the reference's vectors in memory, for single pairs; nothing is then written,
            so that a judge's answers are not kept.
        cache: Where they are kept otherwise; the usual place by default.

    Raises:
        BadInputError: If there is none, or run and selection do not go together.
    """
    from pickwell.chosen import is_selection, open_chosen
    from pickwell.scoring_job import default_cache
    from scoring.reference import Reference
    from scoring.reference.base import run_digest

    picked = open_chosen(like) if is_selection(like) else None
    reference = Reference.open(picked.runs[0].folder if picked is not None else like, warm)
    if chosen is not None:
        picked = open_chosen(Path(chosen))
    _same_encoder(reference, picked)
    answers = None if warm else cache or default_cache()
    return Opened(reference, picked, run_digest(reference.run.folder), answers)


def score_like(
    data: str | Path,
    out: str | Path,
    given: Mapping[str, Any],
    *,
    on_progress: Progress = lambda stage, done, total: None,
    on_source: Callable[[Source], None] = lambda source: None,
    opened: Opened | None = None,
) -> Run:
    """Score ``data`` as an earlier run was scored, each row for itself.

    Args:
        data: As for :func:`pickwell.score`.
        out: The run folder of the new rows.
        given: The options that were really given, ``like`` among them: a run, or a selection,
            which leads to its run.
        on_progress: Called with stage, done and expected rows.
        on_source: Called when the format is recognised.
        opened: What :func:`open_like` gave, for several batches against one reference.

    Returns:
        An ordinary run, whose ``run.json`` names the reference as ``like``, with the further
        columns ``quality``, ``near_duplicate_of`` and ``out_of_range``, and ``drift.json``.

    Raises:
        BadInputError: Where data, options, reference or installed models cannot be used.
    """
    from pickwell.batch_drift import write_drift
    from pickwell.like_columns import add_judged_columns
    from pickwell.scoring_job import (
        _refuse_foreign_folder,
        default_cache,
        describe_source,
        engine_options,
        judge_options,
        refuse_missing_judge,
        samples_of,
        source_of,
    )
    from scoring.engine import score as run_engine

    folder = Path(out)
    if opened is None:
        cache = given.get("cache")
        opened = open_like(
            Path(given["like"]), given.get("chosen"), cache=None if cache is None else Path(cache)
        )
    reference, picked = opened.reference, opened.picked
    _refuse_foreign_folder(folder)
    _refuse_overwriting(folder, reference, picked)
    settings = _settings(reference, given)
    check_imports(settings.imports)
    said = ("judge", "judge_options", "allow_pickle", "trust_remote_code")
    if any(name in given for name in said):  # the judge may have moved
        models, metrics = reference.models_and_metrics(
            settings.judge,
            judge_options(settings),
            settings.cache or default_cache(),
            allow_pickle=settings.allow_pickle,
            trust_remote_code=settings.trust_remote_code,
        )
    else:
        models, metrics = opened.models_and_metrics
    refuse_missing_judge(models, metrics, settings)
    source = source_of(data, settings)
    on_source(source)
    samples, total = samples_of(source, settings)
    manifest: dict[str, Any] = {
        "input": describe_source(source),
        "options": settings.model_dump(mode="json"),
        "like": str(reference.run.folder),
        "reference": {
            "run_sha256": opened.digest,
            "rows": reference.run.manifest["rows"],
            "chosen": str(picked.folder) if picked is not None else None,
        },
    }

    def pool_pass(
        folder: Path, pool: Sequence[Any], cache: Path, seed: int, on_progress: Progress
    ) -> dict[str, int]:
        from scoring.reference import score_against

        del cache, seed
        computed = score_against(folder, pool, reference, on_progress)
        join_imports(folder, settings.imports, manifest)
        told = add_judged_columns(folder, manifest, reference, picked)
        manifest["reference"] |= told | write_drift(folder, manifest, reference)
        return computed

    run = run_engine(
        samples,
        folder,
        metrics,
        models,
        replace(engine_options(settings), seed=reference.seed),
        manifest=manifest,
        total=total,
        on_progress=on_progress,
        pool_pass=pool_pass,
    )
    if not run.manifest["rows"]:
        (folder / "run.json").unlink()
        raise BadInputError(f"{data} holds no sample.", "Check the file, or state --format.")
    return run


def _settings(reference: Reference, given: Mapping[str, Any]) -> ScoreConfig:
    """The options of the new run: what must be the reference's, what may be given."""
    stored = checked(
        ScoreConfig, reference.run.manifest["options"], str(reference.run.folder / "run.json")
    )
    wanted = checked(ScoreConfig, dict(given), "options of score")
    if wanted.engine != "local":
        raise BadInputError(
            "--like holds row by row against a reference, which --engine ray does not do.",
            "Leave --engine out.",
        )
    for name in ("models", "metrics", "max_pixels", "seed"):
        if name in given and not _same(name, getattr(wanted, name), stored, reference):
            raise BadInputError(
                f"--{name.replace('_', '-')} differs from that of {reference.run.folder}, which "
                "the new data shall be scored like.",
                f"Leave it out; there it is {getattr(stored, name)!r}.",
            )
    taken: dict[str, Any] = {
        "models": stored.models,
        "max_pixels": stored.max_pixels,
        "seed": reference.seed,
    }
    # the judge may have moved and be asked in another manner; whether it is the same, its key tells
    taken["judge"] = wanted.judge or stored.judge
    changed = wanted.judge_options.model_dump(exclude_unset=True)
    taken["judge_options"] = stored.judge_options.model_copy(update=changed)
    taken["metrics"] = list(reference.run.manifest["metrics"])
    if not any(given.get(name) for name in READING):
        taken |= {name: getattr(stored, name) for name in ("card", "columns", "instruction")}
    return wanted.model_copy(update=taken)


def _same(name: str, value: Any, stored: ScoreConfig, reference: Reference) -> bool:
    if name == "metrics":
        from pickwell.scoring_job import metric_names

        names = metric_names(value)
        return names is None or set(names) == set(reference.run.manifest["metrics"])
    return bool(value == (reference.seed if name == "seed" else getattr(stored, name)))


def _refuse_overwriting(folder: Path, reference: Reference, picked: Chosen | None) -> None:
    """The new run never takes the place of what it is compared with."""
    used = [reference.run, *(picked.runs if picked is not None else ())]
    if folder.resolve() in {run.folder.resolve() for run in used}:
        raise BadInputError(
            f"{folder} is the run that the new data is held against.", "Name another --out."
        )


def _same_encoder(reference: Reference, picked: Chosen | None) -> None:
    """Vectors can only be compared where one encoder made them."""
    wanted = reference.run.manifest["models"].get("encoder")
    for run in picked.runs if picked is not None else ():
        if run.manifest["models"].get("encoder") != wanted:
            raise BadInputError(
                f"{run.folder}, from which {picked and picked.folder} was chosen, was scored with "
                f"another encoder than {reference.run.folder}.",
                "Name a selection from a run of the same models.",
            )
