"""``benchmark``: methods of the shelf on a corpus of pictures, beside random, trained alike."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from pickwell.config import BenchmarkConfig
from pickwell.config_file import checked

if TYPE_CHECKING:
    import numpy as np

    from data_cards.source import Source
    from finetune.reduce import Entry, Labelled, Line, Outcome, Plan
    from pickwell.prune_corpus import Corpus
    from scoring.run import Run
    from selector.coreset import Budget

Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Benchmark:
    """What ``benchmark`` gives back.

    Attributes:
        folder: Where it lies.
        outcomes: Every training.
        lines: The table.
        rows: Pictures with a class that took part.
    """

    folder: Path
    outcomes: list[Outcome]
    lines: list[Line]
    rows: int


def benchmark(
    corpus: str | Path,
    out: str | Path,
    *,
    config: BenchmarkConfig | None = None,
    on_progress: Progress = lambda stage, done, total: None,
    on_source: Callable[[Source], None] = lambda source: None,
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
        **options: Single fields of :class:`~pickwell.config.BenchmarkConfig`.

    Returns:
        The table and everything in it.

    Raises:
        BadInputError: Where corpus or options cannot be used, or ``out`` holds a benchmark of
            another corpus, or of this one read or embedded otherwise.
    """
    from finetune.reduce import lines_of, run_benchmark
    from pickwell.benchmark_files import write_files
    from pickwell.prune_corpus import RUN, corpus_of, open_corpus
    from pickwell.same_corpus import refuse_other_corpus

    settings = config or BenchmarkConfig()
    if options:
        given = {**settings.model_dump(), **options}
        settings = checked(BenchmarkConfig, given, "options of benchmark")
    folder = Path(out)
    entries, budgets = _entries(settings), budgets_of(settings)
    _refuse_foreign(folder)
    folder.mkdir(parents=True, exist_ok=True)
    run = _finished(folder / RUN)
    if run is not None:
        refuse_other_corpus(run, corpus, settings.as_prune())
    else:
        run, _, _ = open_corpus(
            corpus, folder / RUN, settings.as_prune(), on_progress=on_progress, on_source=on_source
        )
    pictures = corpus_of(run, settings.group)
    data = _labelled(pictures, settings)
    plan = _plan(data, entries, budgets, settings)
    outcomes = run_benchmark(data, plan, folder / "trainings", on_progress=on_progress)
    made = Benchmark(folder, outcomes, lines_of(outcomes), len(data.ids))
    write_files(made, settings)
    return made


def _entries(settings: BenchmarkConfig) -> tuple[Entry, ...]:
    """Methods with their scores and options; what cannot be is refused before data are read."""
    from finetune.reduce import parse_entry
    from finetune.reduce.entries import known_score

    score = known_score(settings.score)
    return tuple(parse_entry(text, score) for text in settings.methods)


def budgets_of(settings: BenchmarkConfig) -> dict[str, Budget]:
    """Budgets in words, as they are asked for: shares of the training rows, numbers per class."""
    from selector.coreset import Budget

    made = {f"{100 * share:.6g}%": Budget(fraction=share) for share in settings.fractions}
    made |= {f"{count} per class": Budget(per_class=count) for count in settings.per_class}
    if not made:
        raise BadInputError("There is no budget.", "Give --fractions, --per-class, or both.")
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


def _labelled(pictures: Corpus, settings: BenchmarkConfig) -> Labelled:
    """The readable pictures of classes that are large enough."""
    import numpy as np

    from finetune.reduce import Labelled

    if pictures.classes is None:
        raise BadInputError(
            "The corpus says nothing of classes, and a benchmark trains on them.",
            "Name the column that holds them with --columns label=NAME.",
        )
    known = pictures.readable & (pictures.classes >= 0)
    sizes = np.bincount(pictures.classes[known], minlength=len(pictures.class_names))
    known &= sizes[np.maximum(pictures.classes, 0)] >= settings.least
    rows = np.flatnonzero(known)
    names, labels = np.unique(pictures.classes[rows], return_inverse=True)
    if len(names) < 2:
        raise BadInputError(
            f"{len(names)} class has {settings.least} readable pictures or more.",
            "Lower --least, or give a corpus of more classes.",
        )
    features = np.asarray(pictures.matrix[rows], dtype=np.float32)
    features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    inputs = None
    if settings.model != "linear":
        inputs = _pixels(pictures, rows, settings)
    digest = hashlib.sha256("\0".join(map(str, pictures.ids[rows])).encode())
    digest.update(features.tobytes() + labels.tobytes())
    if inputs is not None:
        digest.update(inputs.tobytes())
    if pictures.groups is not None:
        digest.update(pictures.groups[rows].tobytes())
    return Labelled(
        pictures.ids[rows],
        labels.astype(np.int64),
        features,
        inputs,
        None if pictures.groups is None else pictures.groups[rows],
        digest.hexdigest()[:24],
        tuple(pictures.class_names[number] for number in names),
    )


def _pixels(pictures: Corpus, rows: np.ndarray, settings: BenchmarkConfig) -> np.ndarray:
    """(n, 3, side, side) uint8 of the pictures themselves, out of the thumbnails of the run."""
    import io

    import numpy as np
    from PIL import Image

    made = np.empty((len(rows), 3, settings.side, settings.side), dtype=np.uint8)
    for place, row in enumerate(rows):
        with Image.open(io.BytesIO(pictures.thumbnail(int(row)))) as opened:
            small = opened.convert("RGB").resize((settings.side,) * 2)
        made[place] = np.asarray(small).transpose(2, 0, 1)
    return made


def _plan(
    data: Labelled,
    entries: tuple[Entry, ...],
    budgets: dict[str, Budget],
    settings: BenchmarkConfig,
) -> Plan:
    from finetune.reduce import Plan
    from scoring.dynamics import Recipe
    from scoring.dynamics.proxies import convnet, linear, resnet18

    classes = int(data.labels.max()) + 1
    dim = data.features.shape[1]
    make = {
        "linear": lambda: linear(dim, classes),
        "convnet": lambda: convnet(3, settings.side, classes, settings.width),
        "resnet18": lambda: resnet18(3, classes),
    }[settings.model]()
    recipe = Recipe(
        epochs=settings.epochs, batch_size=settings.batch_size,
        learning_rate=settings.learning_rate, weight_decay=settings.weight_decay,
    )  # fmt: skip
    told = settings.model_dump(include={"model", "side", "width"})
    linear_recipe = Recipe(epochs=settings.score_epochs, batch_size=64, learning_rate=0.1)
    same = settings.model != "linear"
    epochs = (recipe if same else linear_recipe).epochs
    if settings.score_epoch is not None and settings.score_epoch > epochs:
        raise BadInputError(
            f"--score-epoch is {settings.score_epoch}, and the proxy is trained for {epochs}.",
            "Name an earlier one.",
        )
    return Plan(
        entries=entries,
        budgets=budgets,
        seeds=tuple(range(settings.seed, settings.seed + settings.seeds)),
        make=make,
        recipe=recipe,
        proxy=make if same else linear(dim, classes),
        proxy_recipe=recipe if same else linear_recipe,
        proxy_inputs=data.inputs if same else None,
        proxy_runs=settings.score_runs,
        test_share=settings.test_share,
        device=_device(settings.device),
        proxy_epoch=settings.score_epoch,
        describe=json.dumps(told, sort_keys=True),
    )


def _device(asked: str | None) -> str:
    import torch

    return asked or ("cuda" if torch.cuda.is_available() else "cpu")
