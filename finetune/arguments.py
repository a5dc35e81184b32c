"""Our options in the words of TRL and transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from finetune.options import FinetuneOptions
from finetune.processes import processes

_CHECKPOINTS = 10


def training_arguments(options: FinetuneOptions, rows: int, batch: int, folder: Path) -> Any:
    """The ``SFTConfig`` of a training.

    Args:
        options: Checked ones.
        rows: Samples that are trained on.
        batch: Samples of one optimiser step, over all passes and processes.
        folder: Where checkpoints go.
    """
    from trl import SFTConfig

    per_epoch = -(-rows // batch)
    steps = options.steps or max(1, round((options.epochs or 0) * per_epoch))
    arguments = SFTConfig(
        output_dir=str(folder),
        use_cpu=processes().device.type == "cpu",
        max_steps=steps,
        per_device_train_batch_size=options.batch_size,
        gradient_accumulation_steps=options.gradient_accumulation,
        learning_rate=options.learning_rate or 0.0,
        lr_scheduler_type="cosine",
        warmup_steps=round(options.warmup * steps),
        weight_decay=options.weight_decay,
        max_grad_norm=1.0,
        bf16=bool(options.bf16),
        gradient_checkpointing=options.gradient_checkpointing,
        seed=options.seed,
        data_seed=options.seed,
        save_strategy="steps",
        save_steps=options.save_every or max(10, -(-steps // _CHECKPOINTS)),
        save_total_limit=2,
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        log_level="error",
        remove_unused_columns=False,
        dataloader_num_workers=options.workers,
        dataloader_pin_memory=False,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    # Our options decide, not those of the launcher; and one process uses one GPU, for the trainer
    # would copy the model over all it sees, and take as many times the samples into a step.
    arguments.mixed_precision = "bf16" if options.bf16 else "no"
    arguments._n_gpu = min(1, arguments.n_gpu)
    return arguments


def row_numbers(rows: int) -> Any:
    """The data set that the trainer sees: numbers, for which the collator finds the rows."""
    from datasets import Dataset

    return Dataset.from_dict({"row": list(range(rows))})
