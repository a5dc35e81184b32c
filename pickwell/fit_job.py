"""``fit``: learn from labels how the metrics of a run combine, or find that they do not."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from pickwell.config import FitConfig, SelectConfig
from pickwell.config_file import checked

if TYPE_CHECKING:
    import numpy as np

    from scoring.quality.fit import FitResult
    from scoring.quality.labels import Labels
    from scoring.run import Run

Progress = Callable[[str, int, int | None], None]
PER_FEATURE = 20
"""Labels per feature from which coordinates of embeddings are features as well."""


@dataclass
class _Scored:
    """What there is to learn from, whether it came from a run or from a plain table."""

    ids: list[str]
    numbers: dict[str, np.ndarray]
    features: list[str]
    coordinates: list[str]
    directions: dict[str, str] = field(default_factory=dict)
    reference: np.ndarray | None = None
    groups: dict[str, str | None] | None = None
    pictures: list[list[bytes] | None] | None = None
    keys: Callable[[list[str]], dict[str, str]] = lambda columns: {}


def fit(
    run: Run | str | Path,
    labels: str | Path,
    out: str | Path | None = None,
    *,
    config: FitConfig | None = None,
    on_progress: Progress = lambda stage, done, total: None,
    **options: Any,
) -> FitResult:
    """Fit a quality to labels and write it to ``out``.

    Args:
        run: A run, its folder, or a plain table of metrics (Parquet, CSV) with a column of ids.
        labels: The file of labels; see ``docs/quality.md``.
        out: The folder of the model; RUN/quality where it is not given (a table needs it).
        config: All options at once; ``options`` override single fields, e.g. ``seed=1``.
        on_progress: Called with stage, done and expected count.
        **options: Single fields of :class:`~pickwell.config.FitConfig`.

    Returns:
        The :class:`~scoring.quality.fit.FitResult`: model, report and messages.

    Raises:
        BadInputError: Where run, labels or options cannot be used.
    """
    from scoring.quality.blocks import hold_pictures_together
    from scoring.quality.fit import FitOptions, fit_quality
    from scoring.quality.labels import read_labels

    settings = config or FitConfig()
    if options:
        settings = checked(FitConfig, {**settings.model_dump(), **options}, "options of fit")
    folder = model_folder(run, out)
    scored = _scored(run, settings)
    _refuse_unfinished(run, Path(labels))
    known = read_labels(Path(labels), scored.ids, groups=settings.groups, membership=scored.groups)
    known, shared = hold_pictures_together(known, scored.pictures or [None] * len(scored.ids))
    columns, note = _columns(scored, settings, len(known))
    result = fit_quality(
        scored.numbers,
        scored.ids,
        known,
        FitOptions(
            regressors=tuple(settings.regressors),
            columns=tuple(columns),
            components=settings.components,
            folds=settings.folds,
            permutations=settings.permutations,
            seed=settings.seed,
            directions={**scored.directions, **settings.directions},
            reference=scored.reference,
        ),
        on_progress=on_progress,
    )
    doubt = _doubt(Path(labels), result.model.is_fallback)
    messages = (*result.messages, *(t for t in (doubt, shared, note, _overlap(known)) if t))
    model = replace(
        result.model,
        fitted_on={
            **result.model.fitted_on,
            **_origin(run),
            "metrics": scored.keys(list(result.model.columns)),
        },
        messages=messages,
    )
    model.save(folder)
    return replace(result, model=model, messages=messages)


def _refuse_unfinished(run: Run | str | Path, labels: Path) -> None:
    """Labels that are not there yet, since ``label`` was interrupted."""
    place = Path(run) if isinstance(run, str | Path) else run.folder
    kept = place / "labels" / "outcomes"
    if not labels.exists() and kept.is_dir():
        raise BadInputError(
            f"{labels} does not exist; {kept} holds trainings of a labelling that is not finished.",
            "Type the same pickwell label again: it goes on where it stopped, and writes labels.",
        )


def _doubt(labels: Path, unpredictable: bool) -> str:
    """What ``label`` found of its labels and ``fit`` does not see; empty for other labels."""
    place = labels if labels.is_dir() else labels.parent
    try:
        told = json.loads((place / "label.json").read_text("utf-8"))
        design = told["design"]
        worth, model = (told.get("worth") or {}).get(design), told.get("datamodel")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""
    said = []
    if worth is None or worth.get("low") is None or worth["low"] <= 0:
        said.append(
            f"`pickwell label` has not shown that these labels ({design}) foretell other trainings"
            " better than chance: do not build on them."
        )
    if unpredictable and model is not None and (model.get("r2_low") or 0) > 0:
        said.append(
            "It foretold these outcomes better than their mean, and that is no contradiction: it"
            " knew which samples each group shares with others, while here only the metrics of the"
            " groups speak. What it found of single samples is in effects.parquet: `pickwell score"
            " --import` and `select --by effect`."
        )
    return " ".join(said)


def _overlap(known: Labels) -> str:
    """What cross-validation by group means where groups share samples."""
    if not known.overlapping:
        return ""
    return (
        "The groups share samples: those of a group that is held out were partly seen in others. "
        "The worth is that for other groups of this very pool."
    )


def model_folder(run: Run | str | Path, out: str | Path | None) -> Path:
    """Where the model is written.

    Raises:
        BadInputError: If it is not said, and the run is a plain table.
    """
    if out is not None:
        return Path(out)
    place = Path(run) if isinstance(run, str | Path) else run.folder
    if not place.is_dir():
        raise BadInputError(f"{place} is no run folder.", "Say where to write with --out FOLDER.")
    return place / "quality"


def _origin(run: Run | str | Path) -> dict[str, str]:
    from pickwell import __version__

    place = Path(run) if isinstance(run, str | Path) else run.folder
    return {"run": str(place), "version": __version__}


def _scored(run: Run | str | Path, settings: FitConfig) -> _Scored:
    from scoring.run import Run

    if isinstance(run, str | Path):
        if not Path(run).exists():
            raise BadInputError(f"{run} does not exist.", "Give a run folder or a table.")
        if Path(run).is_file():
            return _from_table(Path(run), settings)
        run = Run.open(Path(run))
    return _from_run(run, settings)


def _from_run(run: Run, settings: FitConfig) -> _Scored:
    """Columns of metrics that look at a sample by itself, and imported ones.

    What a metric of the pool writes depends on the company, and would mean something else in the
    next batch; only the coordinates in the stored axes do not. What the consensus is made of is
    always among the features, so that nothing that it knows is lost.
    """
    import numpy as np

    from pickwell.judging import column_keys, judge
    from scoring.metric import registry

    bad = np.asarray(run.scores["status"].to_pylist(), dtype=object) == "bad"
    numbers = {name: np.where(bad, np.nan, values) for name, values in run.numeric().items()}
    features: list[str] = []
    coordinates: list[str] = []
    known = registry()
    for name in run.manifest["metrics"]:
        if name not in known:
            continue
        spec = known[name].spec  # type: ignore[attr-defined]
        for column in spec.columns:
            if column.name not in numbers or column.name.endswith("_release"):
                continue
            if name == "embedding":
                coordinates.append(column.name)
            elif "pool" not in spec.needs:
                features.append(column.name)
    features += [n for n in run.manifest.get("imported", {}).get("columns", []) if n in numbers]
    ids = run.scores["id"].to_pylist()
    scored = _Scored(ids, numbers, features, coordinates)
    scored.pictures = run.samples(["image_keys"])["image_keys"].to_pylist()
    scored.keys = lambda columns: column_keys(run, columns)
    try:
        judged = judge(run, SelectConfig(quality="consensus"))
    except BadInputError:  # no column with a direction: the fall-back says so
        judged = None
    if judged is not None:
        declared = run.columns()
        features += [name for name in judged.columns if name not in features]
        scored.reference = judged.refused == None  # noqa: E711  (elementwise)
        scored.directions = {name: declared[name].direction for name in judged.columns}
    if settings.group is not None:
        scored.groups = _run_groups(run, settings.group, ids)
    return scored


def _run_groups(run: Run, column: str, ids: list[str]) -> dict[str, str | None]:
    from scoring.quality.label_rows import group_name

    for table in (run.scores, run.samples()):
        if column in table.column_names:
            names = [group_name(value) for value in table[column].to_pylist()]
            return dict(zip(ids, names, strict=True))
    raise BadInputError(
        f"The run has no column {column!r}.", "Give the groups with --groups FILE (rows id,group)."
    )


def _from_table(path: Path, settings: FitConfig) -> _Scored:
    from scoring.metric import registry
    from scoring.quality.metric_table import read_metric_table

    table = read_metric_table(path, id=settings.id, group=settings.group)
    single = [n for n in table.columns if n not in table.vectors and not n.endswith("cluster")]
    declared = {
        column.name: column.direction
        for metric in registry().values()
        for column in metric.spec.columns  # type: ignore[attr-defined]
        if column.name in table.columns
    }
    return _Scored(
        table.ids,
        table.columns,
        single,
        list(table.vectors),
        {name: way for name, way in declared.items() if way != "none"},
        groups=table.groups,
    )


def _columns(scored: _Scored, settings: FitConfig, labels: int) -> tuple[list[str], str]:
    """The features; coordinates of embeddings join only where there are labels enough."""
    if settings.features is not None:
        return settings.features, ""
    if not scored.coordinates:
        return scored.features, ""
    together = len(scored.features) + len(scored.coordinates)
    if labels >= PER_FEATURE * together:
        return scored.features + scored.coordinates, ""
    return scored.features, (
        f"{len(scored.coordinates)} coordinates of embeddings are left out: {labels:,} labels are "
        f"few for {together} features (name them with --features to have them)."
    )


def known_directions(words: list[str]) -> Mapping[str, str]:
    """``clip=higher`` ... as a mapping.

    Raises:
        BadInputError: If a word is not NAME=higher, NAME=lower or NAME=none.
    """
    found = {}
    for word in words:
        name, _, way = word.partition("=")
        if way not in ("higher", "lower", "none"):
            raise BadInputError(
                f"--direction: {word!r} is not NAME=higher, NAME=lower or NAME=none.",
                "For example --direction clip=higher.",
            )
        found[name] = way
    return found
