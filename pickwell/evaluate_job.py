"""``evaluate``: open data and models, measure, and write figures, rows and a page."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Hashable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from pickwell.config import EvaluateConfig
from pickwell.config_file import checked

if TYPE_CHECKING:
    import pyarrow as pa

    from data_cards.sample import Sample
    from data_cards.source import Source
    from finetune.evaluate.measure import Effort
    from finetune.evaluate.plan import Case, Options
    from finetune.evaluate.result import Evaluation
    from finetune.models.load import LoadedVlm

Progress = Callable[[str, int, int | None], None]
FORMAT_VERSION = 1
_FILES = frozenset({"evaluation.json", "evaluation.html", "per_sample.parquet", "baseline.parquet"})


def evaluate(
    model: str | Path | LoadedVlm,
    data: str | Path | Sequence[Sample],
    out: str | Path | None = None,
    *,
    config: EvaluateConfig | None = None,
    on_progress: Progress = lambda stage, done, total: None,
    on_source: Callable[[Source], None] = lambda source: None,
    baseline: str | Path | LoadedVlm | None = None,
    **options: Any,
) -> Evaluation:
    """Measure how well a vision-language model answers held-out questions.

    Response likelihood, two-choice accuracy with and without the image, short answers and sample
    generations; every figure with a 95 % bootstrap interval over images. What was computed before
    for the same model and content is taken from the cache, so an interrupted evaluation goes on.

    Args:
        model: ``"embedded"``, a folder, a hub id, or a model that is already loaded.
        data: A file, a folder, ``hf://owner/name``, or samples. They must be held out: nothing
            here can know what the model was trained on.
        out: Folder to write; nothing is written without it.
        config: All options at once; ``options`` override single fields, e.g. ``limit=300``,
            ``generate=False``.
        on_progress: Called with stage, done and expected count.
        on_source: Called when the format is recognised.
        baseline: A second model, in any form that ``model`` may have; differences to it are
            paired.
        **options: Single fields of :class:`~pickwell.config.EvaluateConfig`.

    Returns:
        The :class:`~finetune.evaluate.result.Evaluation`; ``.figures["nll"].value`` and the like.

    Raises:
        BadInputError: Where model, data or options cannot be used.
    """
    started = time.monotonic()
    settings = config or EvaluateConfig()
    if baseline is not None:
        spec = baseline if isinstance(baseline, str | Path) else baseline.spec
        options["baseline"] = str(spec)
    if options:
        settings = checked(
            EvaluateConfig, {**settings.model_dump(), **options}, "options of evaluate"
        )
    folder = Path(out) if out is not None else None
    if folder is not None:
        _refuse_foreign_folder(folder)
    from finetune.evaluate import figures as counting
    from finetune.evaluate.plan import make_cases
    from finetune.evaluate.result import Evaluation
    from pickwell.evaluate_data import read_data
    from pickwell.evaluate_remarks import remarks

    chosen = _options(settings)
    samples, given, described = read_data(data, settings, on_source)
    total = len(samples)
    cases = make_cases(samples, chosen, given, lambda done: on_progress("read images", done, total))
    if all(case.error is not None for case in cases):
        reasons = "; ".join(f"{c.sample.id}: {c.error}" for c in cases[:3])
        raise BadInputError(
            f"None of the {total} samples can be evaluated ({reasons}).",
            "Check the data and --images.",
        )
    _refuse_missing(model, settings)
    _refuse_missing(settings.baseline if baseline is None else baseline, settings)
    clusters: list[Hashable] = [case.cluster for case in cases]
    rows, notes = _one_model("evaluate", model, cases, chosen, settings, on_progress)
    if all(status == "bad" for status in rows["status"].to_pylist()):
        reasons = "; ".join(f"{r['id']}: {r['error']}" for r in rows.slice(0, 3).to_pylist())
        raise BadInputError(
            f"None of the {total} samples can be evaluated ({reasons}).",
            "Check the data, the model and --max-tokens.",
        )
    other_rows, other_notes = None, None
    if settings.baseline is not None:
        other_rows, other_notes = _one_model(
            "evaluate the baseline",
            baseline if baseline is not None else settings.baseline,
            cases,
            chosen,
            settings,
            on_progress,
        )
    on_progress("intervals", 0, None)
    result = Evaluation(
        model=notes["spec"],
        figures=counting.figures(rows, clusters, chosen),
        per_sample=rows,
        manifest={
            "format_version": FORMAT_VERSION,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": _command(notes["spec"], data, folder, settings),
            "samples": total,
            "data": described,
            "models": {"model": notes, "baseline": other_notes},
            "options": settings.model_dump(mode="json", exclude={"cache"}),
            "seed": settings.seed,
            "interval": "95 % percentile bootstrap over images"
            f" ({chosen.draws} resamples, seed {chosen.seed})",
            "versions": _versions(),
            "remarks": remarks(rows, other_rows, notes, other_notes, described),
        },
        baseline=counting.figures(other_rows, clusters, chosen) if other_rows else None,
        differences=(
            counting.differences(rows, other_rows, clusters, chosen) if other_rows else {}
        ),
        baseline_per_sample=other_rows,
        by_source=counting.by_source(rows, clusters, chosen),
        folder=folder,
    )
    result.manifest["seconds"] = round(time.monotonic() - started, 1)
    if folder is not None:
        on_progress("write", 0, None)
        _write(result, cases, folder)
    return result


def _options(settings: EvaluateConfig) -> Options:
    from finetune.evaluate.plan import Options

    return Options(
        max_tokens=settings.max_tokens,
        batch_size=settings.batch_size,
        blind=settings.blind,
        short_words=settings.short_words,
        cut=settings.cut,
        generate=settings.generate,
        generations=settings.generations,
        max_new_tokens=settings.max_new_tokens,
        draws=settings.draws,
        seed=settings.seed,
    )


def _one_model(
    stage: str,
    model: str | Path | LoadedVlm,
    cases: Sequence[Case],
    options: Options,
    settings: EvaluateConfig,
    on_progress: Progress,
) -> tuple[pa.Table, dict[str, Any]]:
    """Rows of one model, and what it was."""
    from finetune.evaluate.measure import measure
    from finetune.evaluate.rows import make_rows
    from finetune.evaluate.stores import open_stores
    from finetune.models.load import load_vlm
    from pickwell.scoring_job import default_cache

    on_progress(stage, 0, len(cases))
    loaded = (
        load_vlm(
            str(model),
            dtype=settings.dtype,
            device=settings.device,
            trust_remote_code=settings.trust_remote_code,
        )
        if isinstance(model, str | Path)
        else model
    )
    stores = open_stores(settings.cache or default_cache(), loaded, options)
    effort = measure(
        cases, loaded, stores, options, lambda done: on_progress(stage, done, len(cases))
    )
    return make_rows(cases, stores, options), _describe_model(loaded, effort)


def _refuse_missing(model: str | Path | LoadedVlm | None, settings: EvaluateConfig) -> None:
    """Say at once, not after the first model's hour, that there is no such model."""
    from finetune.models.load import EMBEDDED, load_vlm

    if not isinstance(model, str | Path) or str(model) == EMBEDDED:
        return
    if not (Path(model) / "config.json").is_file():
        load_vlm(str(model), trust_remote_code=settings.trust_remote_code, device="cpu")


def _describe_model(loaded: LoadedVlm, effort: Effort) -> dict[str, Any]:
    return {
        "spec": loaded.spec,
        "key": loaded.key,
        "class": type(loaded.model).__name__,
        "dtype": str(loaded.model.dtype).removeprefix("torch."),
        "device": str(loaded.model.device),
        "computed": {
            "replies": effort.replies,
            "outputs": effort.outputs,
            "images": effort.images,
        },
        "way": effort.way,
    }


def _command(
    model: str, data: str | Path | Sequence[Sample], folder: Path | None, settings: EvaluateConfig
) -> str:
    """What to type for the same again."""
    words = ["pickwell", "evaluate", model, str(data) if isinstance(data, str | Path) else "DATA"]
    if folder is not None:
        words += ["--out", str(folder)]
    for name, value in settings.model_dump(exclude_defaults=True, exclude={"cache"}).items():
        option = "--" + name.replace("_", "-")
        if name in ("generate",):
            words.append("--no-generate")
        elif isinstance(value, bool):
            words.append(option)
        elif isinstance(value, dict):
            words += [option, ",".join(f"{k}={v}" for k, v in value.items())]
        else:
            words += [option, str(value)]
    return shlex.join(words)


def _versions() -> dict[str, str]:
    from data_cards.package_versions import package_versions
    from pickwell.selection_files import PACKAGES

    return package_versions((*PACKAGES, "tokenizers", "timm"))


def _write(result: Evaluation, cases: Sequence[Case], folder: Path) -> None:
    import pyarrow.parquet as pq

    from pickwell.report.evaluation import write_page
    from scoring.store import atomic_path

    folder.mkdir(parents=True, exist_ok=True)
    # Written last: a folder with it is complete, and one from an earlier run no longer counts.
    (folder / "evaluation.json").unlink(missing_ok=True)
    tables = {"per_sample.parquet": result.per_sample, "baseline.parquet": None}
    tables["baseline.parquet"] = result.baseline_per_sample
    for name, table in tables.items():
        if table is None:
            (folder / name).unlink(missing_ok=True)
            continue
        with atomic_path(folder / name) as temporary:
            pq.write_table(table, temporary, compression="zstd")
    images = {case.sample.id: case.sample.images for case in cases if case.shown}
    questions = {case.sample.id: case.sample.turns for case in cases if case.shown}
    write_page(result, images, questions, folder / "evaluation.html")
    text = json.dumps(result.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
    with atomic_path(folder / "evaluation.json") as temporary:
        temporary.write_text(text + "\n", "utf-8", errors="backslashreplace")


def _refuse_foreign_folder(folder: Path) -> None:
    """Never write over something that is not an evaluation."""
    if folder.is_file():
        raise BadInputError(f"{folder} is a file.", "Name a folder after --out.")
    if not folder.is_dir():
        return
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    if names and not names & _FILES:
        raise BadInputError(
            f"{folder} is not empty and holds no evaluation.", "Name a new folder after --out."
        )
