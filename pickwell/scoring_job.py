"""``score``: open the data, make models and metrics, run the engine, join what is imported."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from data_cards.hub import KEPT
from pickwell.config import PruneConfig, ScoreConfig
from pickwell.config_file import checked
from pickwell.joined_imports import check_imports, join_imports

if TYPE_CHECKING:
    from data_cards.sample import Sample
    from data_cards.source import Source
    from scoring.engine import EngineOptions
    from scoring.judge.base import JudgeOptions
    from scoring.metric import Metric, Models
    from scoring.run import Run

Progress = Callable[[str, int, int | None], None]
HASHED = 2**30
"""Bytes of input that are hashed; what goes beyond is compared by its size alone."""


def default_cache() -> Path:
    """Where computed results are kept between runs: ``$PICKWELL_CACHE`` or the user's cache."""
    import platformdirs

    given = os.environ.get("PICKWELL_CACHE")
    return Path(given) if given else Path(platformdirs.user_cache_dir("pickwell")) / "store"


def open_run(folder: str | Path) -> Run:
    """Open a finished run folder.

    Raises:
        BadInputError: If there is none; says what is there instead.
    """
    from pickwell.wrong_input import wrong_input
    from scoring.run import Run

    problem = wrong_input(Path(folder), "run")
    if problem is not None:
        raise problem
    return Run.open(Path(folder))


def score(
    data: str | Path,
    out: str | Path,
    *,
    config: ScoreConfig | None = None,
    on_progress: Progress = lambda stage, done, total: None,
    on_source: Callable[[Source], None] = lambda source: None,
    **options: Any,
) -> Run:
    """Score every sample of ``data`` into the run folder ``out``.

    Args:
        data: A file, a folder, or ``hf://owner/name[@revision][:configuration]``.
        out: The run folder; what is there is replaced.
        config: All options at once; ``options`` override single fields of it, e.g.
            ``models="none"``, ``metrics=["length"]``, ``limit=1000``.
        on_progress: Called with stage, done and expected rows.
        **options: Single fields of :class:`~pickwell.config.ScoreConfig`.
        on_source: Called when the format is recognised, before the first row.

    Returns:
        The finished :class:`~scoring.run.Run`.

    Raises:
        BadInputError: Where data or options cannot be used; the message names file and remedy.
    """
    from pickwell.on_ray import refuse_idle_cluster

    settings = config or ScoreConfig()
    refuse_idle_cluster(settings.model_dump(exclude_unset=True), options)
    given = settings.model_dump(exclude_unset=True) | options
    if given.get("like") is not None:
        from pickwell.like_job import score_like

        return score_like(data, out, given, on_progress=on_progress, on_source=on_source)
    if given.get("chosen") is not None:
        raise BadInputError("--chosen means nothing without --like.", "Give --like RUN as well.")
    if options:
        options = _judge_as_typed(options)
        settings = checked(ScoreConfig, {**settings.model_dump(), **options}, "options of score")
    settings = _with_rubric(settings, given)
    from scoring.engine import score as run_engine

    check_imports(settings.imports)
    source = source_of(data, settings)
    on_source(source)
    folder = Path(out)
    _refuse_foreign_folder(folder)
    names = metric_names(settings.metrics)
    metrics, models = metrics_and_models(settings, names)
    refuse_missing_judge(models, metrics, settings)
    samples, total = samples_of(source, settings)
    mapping = None
    if settings.engine == "ray":
        from pickwell.on_ray import score_on_ray

        mapping = score_on_ray(source, settings, names)
    run = run_engine(
        samples,
        folder,
        metrics,
        models,
        engine_options(settings),
        manifest={"input": describe_source(source), "options": settings.model_dump(mode="json")},
        total=total,
        on_progress=on_progress,
        mapping=mapping,
    )
    if not run.manifest["rows"]:
        (folder / "run.json").unlink()
        raise BadInputError(f"{data} holds no sample.", "Check the file, or state --format.")
    return _with_imports(run, settings.imports) if settings.imports else run


def metrics_and_models(
    settings: ScoreConfig, names: list[str] | None, judge_cache: Path | None = None
) -> tuple[list[Metric], Models]:
    """What the options say is to be measured, and with what; no weights are loaded yet.

    Args:
        settings: The options.
        names: Metrics; ``None``: all that apply.
        judge_cache: Where a judge's answers are kept; ``None``: in the cache.
    """
    from scoring.engine import make_metrics
    from scoring.model_specs import with_roles
    from scoring.models import models_from_spec

    models = models_from_spec(
        with_roles(settings.models, {"judge": settings.judge}),
        names,
        allow_pickle=settings.allow_pickle,
        trust_remote_code=settings.trust_remote_code,
        judge_options=judge_options(settings),
        judge_cache=judge_cache or settings.cache or default_cache(),
    )
    return make_metrics(models, names), models


def source_of(data: str | Path, settings: ScoreConfig) -> Source:
    """Open the data as the options say."""
    from data_cards.source import open_source

    return open_source(
        data,
        format=settings.format,
        images=settings.images,
        card=settings.card,
        columns=settings.columns or None,
        split=settings.split,
        config=settings.subset,
        streaming=settings.streaming,
        allow_urls=settings.allow_urls,
        default_instruction=settings.instruction,
    )


def samples_of(
    source: Source, settings: ScoreConfig | PruneConfig
) -> tuple[Iterator[Sample], int | None]:
    """The samples, as many as are wanted, and how many that is where it is known."""
    samples, total = source.samples(), source.count_hint()
    if settings.limit is None:
        return samples, total
    return islice(samples, settings.limit), None if total is None else min(total, settings.limit)


def engine_options(settings: ScoreConfig | PruneConfig) -> EngineOptions:
    """What the engine needs of the options."""
    from data_cards.downloader import Downloader
    from data_cards.images import ImageLimits
    from scoring.engine import EngineOptions

    cache = settings.cache or default_cache()
    return EngineOptions(
        cache=cache,
        downloader=Downloader(cache / "downloads") if settings.allow_urls else None,
        shard_rows=settings.shard_rows,
        workers=settings.workers,
        limits=ImageLimits(max_pixels=settings.max_pixels),
        thumbnail=settings.thumbnail,
        seed=settings.seed,
    )


def judge_options(settings: ScoreConfig) -> JudgeOptions:
    """How the judge is asked."""
    from scoring.judge.base import JudgeOptions

    return JudgeOptions(**settings.judge_options.model_dump())


def refuse_missing_judge(models: Models, metrics: Sequence[Metric], settings: ScoreConfig) -> None:
    """Say that no judge is there before pictures are encoded for an hour.

    Where answers of this judge are kept, perhaps all that are needed, it is not looked for.

    Raises:
        BadInputError: There is none.
    """
    from scoring.mapper import store_folder

    cache = settings.cache or default_cache()
    for metric in metrics:
        if "judge" not in metric.spec.needs or models.judge is None:
            continue
        why = None if store_folder(cache, metric).exists() else models.judge.missing()
        if why is not None:
            raise BadInputError(f"The judge {models.judge.name}: {why}", "")


def _judge_as_typed(options: dict[str, Any]) -> dict[str, Any]:
    """A judge that is named within ``models`` goes over one of its own in the file."""
    from scoring.model_specs import as_text, says

    if "judge" in options or options.get("models") is None:
        return options
    try:
        own = says(str(as_text(options["models"])), "judge")
    except ValueError:
        return options  # a wrong key is told of where all options are checked
    return options | {"judge": None} if own else options


def _with_rubric(settings: ScoreConfig, given: dict[str, Any]) -> ScoreConfig:
    """A preset's own rubric, where none was named."""
    from scoring.model_specs import parse_models

    rubric = parse_models(settings.models).rubric
    if rubric is None or "rubric" in (given.get("judge_options") or {}):
        return settings
    options = settings.judge_options.model_copy(update={"rubric": rubric})
    return settings.model_copy(update={"judge_options": options})


def metric_names(words: list[str] | None) -> list[str] | None:
    """Metrics by their own name or by the name of one of their columns (``ifd``).

    Raises:
        BadInputError: For a word that is neither.
    """
    from scoring.metric import registry

    if words is None:
        return None
    owner = {
        column.name: name
        for name, metric in registry().items()
        for column in metric.spec.columns  # type: ignore[attr-defined]
    } | {name: name for name in registry()}
    for word in words:
        if word not in owner:
            near = difflib.get_close_matches(word, owner, 1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise BadInputError(
                f"There is no metric {word!r}.", f"{hint}`pickwell metrics` lists them."
            )
    return list(dict.fromkeys(owner[word] for word in words))


def _refuse_foreign_folder(folder: Path) -> None:
    """Never write a run over something that is not one."""
    if folder.is_file():
        raise BadInputError(f"{folder} is a file.", "Name a folder after --out.")
    if not folder.is_dir():
        return
    own = {"run.json", "samples.parquet", "scores.parquet", "embeddings", "artefacts"}
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    if names and not names & own:
        raise BadInputError(
            f"{folder} is not empty and holds no run.", "Name a new folder after --out."
        )


def describe_source(source: Source) -> dict[str, Any]:
    """The input, so that a later step can tell whether it is still the same."""
    from pickwell.selection_files import sha256

    files, hashed = [], 0
    for path in source.files()[:1000]:
        size = path.stat().st_size
        hashed += size
        known = {"sha256": sha256(path)} if hashed <= HASHED else {}
        files.append({"path": str(path), "bytes": size, **known})
    described: dict[str, Any] = {
        "path": source.given if source.hub else str(source.path),
        "format": source.format,
        "how": source.how,
        "card": source.card.name if source.card else None,
        "files": files,
    }
    front = dict(source.card.front_matter) if source.card else {}
    front |= source.hub.front_matter if source.hub else {}
    described["front_matter"] = {key: front[key] for key in KEPT if front.get(key)}
    if source.hub is None:
        return described
    hub = source.hub
    told = {"id": hub.id, "url": hub.url, "asked": hub.asked}
    told["images"] = source.hub_images.folder if source.hub_images else None
    return described | {"revision": hub.commit, "hub": told}


def _with_imports(run: Run, paths: list[Path]) -> Run:
    import json

    from scoring.run import Run
    from scoring.store import atomic_path

    manifest = dict(run.manifest)
    join_imports(run.folder, paths, manifest)
    with atomic_path(run.folder / "run.json") as temporary:
        temporary.write_text(json.dumps(manifest, indent=2, ensure_ascii=False), "utf-8")
    return Run.open(run.folder)
