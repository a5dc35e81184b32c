"""Fine-tune a vision-language model on samples: one call, one folder."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from data_cards.sample import Sample
from finetune.arguments import row_numbers, training_arguments
from finetune.attention import quick_attention
from finetune.checkpoint import WORK, begin, last_complete
from finetune.collate import Collator, from_pixels
from finetune.data import MAX_LENGTH, Prepared, data_hash, prepare
from finetune.options import FinetuneOptions
from finetune.order import EpochOrder
from finetune.processes import from_main, processes, refuse_sharding
from finetune.repeatable import repeatable
from finetune.result import RECORD, FinetuneResult, open_result
from finetune.saving import refuse_foreign, refuse_inside, versions, write_model, write_record

if TYPE_CHECKING:
    from finetune.feature_cache import FeatureCache

Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True, slots=True)
class _Job:
    """What the steps of a training hand on to each other."""

    out: Path
    options: FinetuneOptions
    model: Any
    processor: Any
    rows: list[Prepared]
    on_progress: Progress

    @property
    def work(self) -> Path:
        return self.out / WORK


def finetune(
    samples: Iterable[Sample],
    out: Path,
    options: FinetuneOptions | None = None,
    *,
    on_progress: Progress = lambda stage, done, total: None,
) -> FinetuneResult:
    """Train a model on the responses of samples, and write it where ``from_pretrained`` opens it.

    The loss counts the tokens of all assistant turns, their end included, and no others. Nothing
    is cut to fit: a sample that is too long, has no image, or whose image is broken is left out
    and named. The same call on the same machine gives the same weights; interrupted, it goes on
    from its last checkpoint and gives them too. Global random states are left as they were.

    Run by ``accelerate launch``, every process computes its part of each batch and the first
    writes the folder.

    Args:
        samples: What to train on, in any order: the weights do not depend on it.
        out: Output folder: new, or one of an interrupted or finished training.
        options: How.
        on_progress: Called with stage, done and expected.

    Returns:
        What was done; read from the folder where the same training is finished already.

    Raises:
        BadInputError: Folder, options, model or data cannot be used, or the loss diverged.
    """
    settings = (options or FinetuneOptions()).checked()
    refuse_foreign(out)
    refuse_inside(settings.model, out, "the model that is to be trained")
    refuse_sharding()
    from finetune.models.load import load_vlm

    state = processes()
    loaded = load_vlm(
        settings.model,
        dtype="auto",
        device="cpu",
        trust_remote_code=settings.trust_remote_code,
    )
    rows, left_out = prepare(
        samples,
        loaded.processor,
        max_length=settings.max_length or _longest(loaded.model),
        text_only=settings.text_only,
        on_progress=lambda done: on_progress("prepare", done, None),
    )
    plan = {
        "options": settings.deciding(),
        "data": data_hash(rows),
        "model": loaded.key,
        "processes": state.num_processes,
    }
    finished = _finished(out, plan, settings)
    if finished is not None:
        return finished
    job = _Job(out, settings, loaded.model, loaded.processor, rows, on_progress)
    with repeatable():
        if state.is_main_process:
            _make_room(out, settings)
            begin(job.work, plan, resume=settings.resume)
        state.wait_for_everyone()
        result = _train(job, left_out, plan)
        if state.is_main_process:
            write_record(result, plan=plan)
        state.wait_for_everyone()
    return result


def _finished(out: Path, plan: dict[str, Any], options: FinetuneOptions) -> FinetuneResult | None:
    """What is there already, if it is the same."""
    if not (out / RECORD).is_file() or not options.resume:
        return None
    result, content = open_result(out)
    if content.get("plan") == plan:
        return result
    before, now = content.get("plan", {}), dict(plan)
    old, new = before.get("options", {}), now["options"]
    names = [name for name in new if old.get(name) != new[name]]
    names += [name for name in ("data", "model", "processes") if before.get(name) != now[name]]
    raise BadInputError(
        f"{out} holds a model that was trained otherwise (different: {', '.join(names)}).",
        "Name another folder after --out, or train it anew with --no-resume.",
    )


def _make_room(out: Path, options: FinetuneOptions) -> None:
    """With ``resume=False``, what is there goes; else it is the working folder alone."""
    if not options.resume and out.is_dir():
        shutil.rmtree(out)
    (out / WORK).mkdir(parents=True, exist_ok=True)


def _train(job: _Job, left_out: Sequence[tuple[str, str]], plan: dict[str, Any]) -> FinetuneResult:
    from finetune.trainable import choose_trained, count_parameters
    from finetune.trainer import Bookkeeper, VlmTrainer, training_losses

    options, state = job.options, processes()
    quick_attention(job.model, job.rows)
    lora = choose_trained(job.model, options)
    parameters = count_parameters(job.model)[1]
    pad = job.processor.tokenizer.pad_token_id
    collator = Collator(job.rows, pad, from_pixels(job.processor))
    cache, feature_seconds = None, 0.0
    if options.cache_features and any(row.images for row in job.rows):
        started = time.perf_counter()
        cache = _features(job, collator)
        collator = Collator(job.rows, pad, cache.vision)
        feature_seconds = time.perf_counter() - started
    lengths = [len(row.input_ids) for row in job.rows]
    batch = options.batch_size * options.gradient_accumulation * state.num_processes
    together = options.batch_size * state.num_processes if state.num_processes > 1 else 1
    order = EpochOrder([row.id for row in job.rows], lengths, batch, options.seed, together)
    last = last_complete(job.work) if state.is_main_process else None
    last = from_main(last)
    book = Bookkeeper(
        order,
        last[1]["seconds"] if last else 0.0,
        lambda done, total: job.on_progress("train", done, total),
    )
    trainer = VlmTrainer(
        order=order,
        model=job.model,
        args=training_arguments(options, len(job.rows), batch, job.work),
        data_collator=collator,
        train_dataset=row_numbers(len(job.rows) + 1),  # the last one is a filler
        processing_class=job.processor,
        callbacks=[book],
        peft_config=lora,
    )
    trained, _ = count_parameters(trainer.model)
    with cache.in_place() if cache else nullcontext():
        trainer.go_on(last[0] if last else None)
    seconds = book.seconds
    if state.is_main_process:
        job.on_progress("write", 0, None)
        write_model(trainer.model, job.out, options, job.processor)
    return FinetuneResult(
        folder=job.out,
        steps=trainer.state.global_step,
        losses=training_losses(trainer.state.log_history),
        samples=len(job.rows),
        left_out=tuple(left_out),
        trained_parameters=trained,
        parameters=parameters,
        seconds=seconds,
        feature_seconds=feature_seconds,
        options=options.record() | {"processes": state.num_processes},
        data_hash=plan["data"],
        versions=versions(),
    )


def _features(job: _Job, collator: Collator) -> FeatureCache:
    """Compute what is missing, each process its share, and check that it may be used."""
    from finetune.feature_cache import FeatureCache

    state = processes()
    folder = job.options.cache
    if folder is None:
        from platformdirs import user_cache_path

        folder = user_cache_path("pickwell")
    model = job.model.to(state.device).eval()

    def opened() -> FeatureCache:
        return FeatureCache(
            model, job.processor, collator.collate, folder, bf16=bool(job.options.bf16)
        )

    opened().fill(
        job.rows,
        share=(state.process_index, state.num_processes),
        batch_size=job.options.batch_size,
        on_progress=lambda done, total: job.on_progress("features", done, total),
    )
    state.wait_for_everyone()
    cache = opened()
    seeing = [row for row in job.rows if row.images]
    cache.verify((seeing * job.options.batch_size)[: job.options.batch_size])
    return cache


def _longest(model: Any) -> int:
    """What the language model was made for, within reason."""
    made_for = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return min(MAX_LENGTH, made_for or MAX_LENGTH)
