"""``pickwell label``: find out by training which samples are worth it."""

from __future__ import annotations

from pathlib import Path

import typer

from pickwell.commands.options import ConfigFile, overrides, parse_columns
from pickwell.commands.training_options import (
    Accumulation,
    BatchSize,
    Bf16,
    Cache,
    CacheFeatures,
    Card,
    Columns,
    Devices,
    Format,
    Images,
    Instruction,
    LearningRate,
    MaxLength,
    Model,
    Share,
    Split,
    TargetLimit,
    TextOnly,
    Train,
    TrustRemoteCode,
)


def label(
    run: Path = typer.Argument(..., help="Run folder."),
    target: str = typer.Option(
        None, "--target", "-t", help="Held-out data that outcomes are measured on."
    ),
    out: Path = typer.Option(None, "--out", "-o", help="Folder (default RUN/labels/DESIGN)."),
    design: str = typer.Option(None, help="subsets (default), clusters or influence."),
    groups: int = typer.Option(
        None, min=1, help="Groups, one training each; default 60 (subsets), 30 (clusters)."
    ),
    size: int = typer.Option(None, min=2, help="Samples in a subset; default 64."),
    draw: str = typer.Option(None, help="Subsets at random (default), or designed by metrics."),
    fresh: int = typer.Option(None, min=0, help="Fresh subsets that test the labels; default 20."),
    repeat_groups: int = typer.Option(None, min=0, help="Groups that are repeated; default 6."),
    repeats: int = typer.Option(None, min=1, help="Trainings of each of those; default 2."),
    space: str = typer.Option(None, help="Clusters by image (default), text or both."),
    above_floors: bool = typer.Option(
        None, "--above-floors", help="Only rows that no floor refuses."
    ),
    outcome_command: str = typer.Option(
        None,
        help="In place of a target: a command that measures {model}, e.g. lmms-eval into {out}.",
    ),
    outcome_metric: str = typer.Option(None, help="Only its metrics that begin with this."),
    model: Model = None,
    train: Train = None,
    steps: int = typer.Option(None, min=1, help="Optimiser steps of each training; default 25."),
    batch_size: BatchSize = None,
    gradient_accumulation: Accumulation = None,
    learning_rate: LearningRate = None,
    max_length: MaxLength = None,
    bf16: Bf16 = None,
    text_only: TextOnly = None,
    cache_features: CacheFeatures = None,
    cache: Cache = None,
    devices: Devices = None,
    share: Share = None,
    target_limit: TargetLimit = None,
    format: Format = None,
    images: Images = None,
    card: Card = None,
    columns: Columns = None,
    split: Split = None,
    instruction: Instruction = None,
    trust_remote_code: TrustRemoteCode = None,
    seed: int = typer.Option(None, help="Seed of groups and trainings."),
    config: ConfigFile = None,
) -> None:
    """Label RUN by many short trainings; type it again to go on after an interruption."""
    from pickwell.config_file import load_config
    from pickwell.console import err, progress
    from pickwell.label_job import label as run_labels
    from pickwell.label_summary import print_labels
    from pickwell.summary import print_source

    given = overrides(
        design=design,
        groups=groups,
        size=size,
        draw=draw,
        fresh=fresh,
        repeat_groups=repeat_groups,
        repeats=repeats,
        space=space,
        above_floors=above_floors,
        outcome_command=outcome_command,
        outcome_metric=outcome_metric,
        model=model,
        train=train,
        steps=steps,
        batch_size=batch_size,
        gradient_accumulation=gradient_accumulation,
        learning_rate=learning_rate,
        max_length=max_length,
        bf16=bf16,
        text_only=text_only,
        cache_features=cache_features,
        cache=cache,
        devices=devices,
        share=share,
        target_limit=target_limit,
        format=format,
        images=images,
        card=card,
        columns=parse_columns(columns),
        split=split,
        instruction=instruction,
        trust_remote_code=trust_remote_code,
        seed=seed,
    )
    settings = load_config(config).label
    with progress() as update:
        result = run_labels(
            run, target, out, config=settings, on_progress=update, on_source=print_source,
            on_plan=lambda sentence: err.print(sentence, markup=False, soft_wrap=True), **given,
        )  # fmt: skip
    print_labels(result)
