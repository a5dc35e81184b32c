"""``pickwell finetune``: train a model on the chosen."""

from __future__ import annotations

from pathlib import Path

import typer

from pickwell.commands.options import ConfigFile, Strict, overrides, parse_columns


def finetune(
    selection: str = typer.Argument(
        ..., help="Selection folder, or any data: a file, a folder, or hf://owner/name."
    ),
    out: Path = typer.Option(..., "--out", "-o", help="Folder of the trained model."),
    model: str = typer.Option(None, help="embedded (default), a folder, or a hub id."),
    train: str = typer.Option(None, help="projector (default), lora or all."),
    steps: int = typer.Option(None, min=1, help="Optimiser steps, instead of --epochs."),
    epochs: float = typer.Option(None, help="Passes over the data (default 3)."),
    batch_size: int = typer.Option(None, min=1, help="Samples per pass and process; default 8."),
    gradient_accumulation: int = typer.Option(
        None, min=1, help="Passes per optimiser step; default 1."
    ),
    learning_rate: float = typer.Option(
        None, help="Peak; default 1e-3 (projector), 2e-4 (lora), 2e-5 (all)."
    ),
    warmup: float = typer.Option(
        None, help="Share of the steps over which the learning rate rises; default 0.03."
    ),
    weight_decay: float = typer.Option(None, help="Of AdamW; default 0."),
    max_length: int = typer.Option(
        None, min=1, help="Longest sample in tokens; a longer one is left out, never cut."
    ),
    bf16: bool = typer.Option(None, help="Compute in bfloat16; default: where a GPU can."),
    lora_rank: int = typer.Option(None, min=1, help="Rank of the adapters; default 16."),
    lora_alpha: int = typer.Option(None, min=1, help="Their scale; default: twice the rank."),
    lora_dropout: float = typer.Option(None, help="Dropout before them; default 0."),
    gradient_checkpointing: bool = typer.Option(
        None, "--gradient-checkpointing", help="Less memory, a third more time."
    ),
    text_only: bool = typer.Option(None, "--text-only", help="Train on samples without image too."),
    cache_features: bool = typer.Option(
        None, help="Run the frozen vision tower once per image; keep what it gave."
    ),
    cache: Path = typer.Option(None, help="Where features are kept between runs."),
    save_every: int = typer.Option(None, min=1, help="Steps between checkpoints."),
    resume: bool = typer.Option(
        None, help="Go on with what was interrupted (on); --no-resume begins anew."
    ),
    limit: int = typer.Option(None, min=1, help="Only the first rows."),
    workers: int = typer.Option(None, min=0, help="Processes that decode images ahead; default 0."),
    images: Path = typer.Option(None, help="Folder that relative image paths start from."),
    format: str = typer.Option(None, help="State the format (see `pickwell formats`)."),
    card: str = typer.Option(None, help="Read columns as this data card says."),
    columns: str = typer.Option(None, help="Own mapping, e.g. image=file,response=caption."),
    split: str = typer.Option(None, help="Split of a Hugging Face data set."),
    instruction: str = typer.Option(None, help="Instruction for data that has none."),
    trust_remote_code: bool = typer.Option(
        None, "--trust-remote-code", help="Run code that comes with the model."
    ),
    seed: int = typer.Option(None, help="Seed of order, adapters and dropout."),
    config: ConfigFile = None,
    strict: Strict = False,
) -> None:
    """Fine-tune a model on SELECTION; type it again to go on after an interruption.

    For several GPUs: accelerate launch -m pickwell finetune SELECTION --out FOLDER ...
    """
    from pickwell.config_file import load_config
    from pickwell.console import progress
    from pickwell.finetune_job import finetune as run_training
    from pickwell.finetune_summary import print_training
    from pickwell.summary import print_source

    given = overrides(
        model=model,
        train=train,
        steps=steps,
        epochs=epochs,
        batch_size=batch_size,
        gradient_accumulation=gradient_accumulation,
        learning_rate=learning_rate,
        warmup=warmup,
        weight_decay=weight_decay,
        max_length=max_length,
        bf16=bf16,
        lora_rank=lora_rank,
        lora_alpha=lora_alpha,
        lora_dropout=lora_dropout,
        gradient_checkpointing=gradient_checkpointing,
        text_only=text_only,
        cache_features=cache_features,
        cache=cache,
        save_every=save_every,
        resume=resume,
        limit=limit,
        workers=workers,
        images=images,
        format=format,
        card=card,
        columns=parse_columns(columns),
        split=split,
        instruction=instruction,
        trust_remote_code=trust_remote_code,
        seed=seed,
    )
    settings = load_config(config).finetune
    first = first_process()
    with progress() as update:
        result = run_training(
            selection,
            out,
            config=settings,
            on_progress=update if first else lambda stage, done, total: None,
            on_source=print_source if first else lambda source: None,
            **given,
        )
    if first:
        print_training(result)
    if strict and result.left_out:
        raise typer.Exit(1)


def first_process() -> bool:
    """Whether this process speaks for all that `accelerate launch` started."""
    import os

    return os.environ.get("RANK", "0") == "0"
