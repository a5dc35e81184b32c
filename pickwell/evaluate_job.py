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
from pickwell.config import EvaluateConfig, checked

if TYPE_CHECKING:
    import pyarrow as pa

    from data_cards.sample import Sample
    from data_cards.source import Source
    from finetune.evaluate.measure import Effort
    from finetune.evaluate.plan import Case, Options
    from finetune.evaluate.result import Evaluation
    from finetune.models.load import LoadedVlm

Progress = Callable[[str, int, int | None], None]
WRONG = ("wrong", "wrong_response", "rejected", "rejected_response", "distractor")
"""Columns that are taken for the wrong response of the two-choice question."""

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

    chosen = _options(settings)
    samples, given, described = _samples(data, settings, on_source)
    total = len(samples)
    cases = make_cases(samples, chosen, given, lambda done: on_progress("read images", done, total))
    if all(case.error is not None for case in cases):
        reasons = "; ".join(f"{c.sample.id}: {c.error}" for c in cases[:3])
        raise BadInputError(
            f"None of the {total} samples can be evaluated ({reasons}).",
            "Check the data and --images.",
        )
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
            "remarks": _remarks(rows, other_rows),
        },
        baseline=counting.figures(other_rows, clusters, chosen) if other_rows else None,
        differences=(
            counting.differences(rows, other_rows, clusters, chosen) if other_rows else {}
        ),
        baseline_per_sample=other_rows,
        by_source=_by_source(rows, clusters, chosen),
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


def _samples(
    data: str | Path | Sequence[Sample],
    settings: EvaluateConfig,
    on_source: Callable[[Source], None],
) -> tuple[list[Sample], dict[str, str], dict[str, Any]]:
    """The samples, wrong responses that the data bring, and what the data are."""
    from data_cards.source import open_source
    from pickwell.selection_files import sha256

    if not isinstance(data, str | Path):
        samples = list(data)
        if not samples:
            raise BadInputError("There is no sample to evaluate.", "Give at least one.")
        return _drawn(samples, settings), {}, {"path": None, "content": _content(samples)}

    def opened(instruction: str | None, **columns: str | None) -> Source:
        return open_source(
            data,
            format=settings.format,
            images=settings.images,
            card=settings.card,
            columns={**settings.columns, **columns} or None,
            split=settings.split,
            default_instruction=instruction,
        )

    source = opened(settings.instruction)
    on_source(source)
    samples = list(source.samples())
    if not samples:
        raise BadInputError(f"{data} holds no sample.", "Check the file, or state --format.")
    column = _wrong_column(source, settings.wrong)
    given = {}
    if column is not None:
        # The same records, read as if the wrong response were theirs; the question is not used.
        answers = opened("?", response=column, conversations=None).samples()
        by_row = {sample.row: sample.response for sample in answers if sample.error is None}
        given = {s.id: by_row[s.row] for s in samples if s.row in by_row}
    described = {
        "path": str(source.path),
        "format": source.format,
        "how": source.how,
        "wrong_column": column,
        "files": [{"path": str(path), "sha256": sha256(path)} for path in source.files()],
        "content": _content(samples),
    }
    return _drawn(samples, settings), given, described


def _wrong_column(source: Source, asked: str | None) -> str | None:
    """The column with wrong responses: the one asked for, or one of a telling name."""
    from data_cards.readers.base import format_named

    if asked == "none":
        return None
    fields = format_named(source.format).fields(source)
    if asked is not None:
        if asked not in fields:
            raise BadInputError(
                f"{source.path} has no column {asked!r}.", f"Fields there: {', '.join(fields)}."
            )
        return asked
    return next((name for name in WRONG if name in fields), None)


def _drawn(samples: list[Sample], settings: EvaluateConfig) -> list[Sample]:
    """At most ``limit`` samples, drawn by the hash of their ids, in input order."""
    if settings.limit is None or settings.limit >= len(samples):
        return samples
    from selector.order import canonical_order

    order = canonical_order([s.id for s in samples], settings.seed, purpose="evaluate")
    return [samples[row] for row in sorted(order[: settings.limit].tolist())]


def _content(samples: Sequence[Sample]) -> str:
    """SHA-256 of ids and texts; the order of the samples does not matter."""
    import hashlib

    lines = sorted(repr((s.id, [(t.role, t.text) for t in s.turns])) for s in samples)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def _one_model(
    stage: str,
    model: str | Path | LoadedVlm,
    cases: Sequence[Case],
    options: Options,
    settings: EvaluateConfig,
    on_progress: Progress,
) -> tuple[pa.Table, dict[str, Any]]:
    """Rows of one model, and what it was."""
    from finetune.evaluate.measure import measure, open_stores
    from finetune.evaluate.rows import make_rows
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


def _by_source(
    rows: pa.Table, clusters: Sequence[Hashable], options: Options
) -> dict[str, dict[str, Any]]:
    from finetune.evaluate.figures import figures

    names = rows["source"].to_pylist()
    sources = sorted(set(names))
    if not 2 <= len(sources) <= 50:
        return {}
    found = {}
    for source in sources:
        places = [place for place, name in enumerate(names) if name == source]
        found[source] = figures(
            rows.take(places),
            [clusters[place] for place in places],
            options,
            names=("nll", "two_choice_mean", "two_choice_mean_blind"),
        )
    return found


def _remarks(rows: pa.Table, baseline: pa.Table | None) -> list[str]:
    """What a reader must know to read the figures right."""
    from finetune.evaluate.figures import same_tokens

    remarks = []
    if baseline is not None and not same_tokens(rows, baseline):
        remarks.append(
            "The two models cut responses into different tokens, so their likelihoods per token "
            "are not in the same unit; compare the two-choice figures instead."
        )
    return remarks


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
