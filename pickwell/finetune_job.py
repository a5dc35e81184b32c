"""``finetune``: open a selection or other data, train a model on it, and write its folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickwell.config import FinetuneConfig
from pickwell.config_file import checked

if TYPE_CHECKING:
    from data_cards.source import Source
    from finetune.result import FinetuneResult

Progress = Callable[[str, int, int | None], None]


def finetune(
    selection: str | Path,
    out: str | Path,
    *,
    config: FinetuneConfig | None = None,
    on_progress: Progress = lambda stage, done, total: None,
    on_source: Callable[[Source], None] = lambda source: None,
    **options: Any,
) -> FinetuneResult:
    """Fine-tune a vision-language model on a selection, and write it to the folder ``out``.

    The folder opens with ``AutoModelForImageTextToText.from_pretrained``. Type the same again to
    go on with an interrupted training; a finished one is not done twice.

    Args:
        selection: A selection folder, or any data: a file, a folder, ``hf://owner/name``.
        out: The model's folder: new, or of the same training.
        config: All options at once; ``options`` override single fields, e.g.
            ``model="embedded"``, ``train="lora"``, ``steps=100``.
        on_progress: Called with stage, done and expected count.
        on_source: Called with each source, before its first sample.
        **options: Single fields of :class:`~pickwell.config.FinetuneConfig`.

    Returns:
        The :class:`~finetune.result.FinetuneResult`: losses, what was left out and why, ...

    Raises:
        BadInputError: Where data, model or options cannot be used; the message says what to do.
    """
    settings = config or FinetuneConfig()
    if options:
        given = {name: str(v) if name == "model" else v for name, v in options.items()}
        settings = checked(
            FinetuneConfig, {**settings.model_dump(), **given}, "options of finetune"
        )
    from finetune.options import FinetuneOptions
    from finetune.saving import refuse_inside
    from finetune.train import finetune as train
    from pickwell.scoring_job import default_cache
    from pickwell.training_source import training_samples, training_sources

    refuse_inside(selection, Path(out), "the data to train on")
    sources = training_sources(selection, settings)
    for source in sources:
        on_source(source)
    names = FinetuneOptions.__dataclass_fields__.keys()
    chosen = FinetuneOptions(**settings.model_dump(include=set(names) - {"cache"}))
    return train(
        training_samples(sources, settings.limit),
        Path(out),
        chosen.cached_in(settings.cache or default_cache()),
        on_progress=on_progress,
    )
