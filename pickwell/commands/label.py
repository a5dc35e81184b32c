"""``pickwell label``: find out by training which samples are worth it."""

from __future__ import annotations

from pathlib import Path

import typer

from pickwell.commands.options import ConfigFile, overrides, parse_columns


def label(
    run: Path = typer.Argument(..., help="Run folder."),
    target: str = typer.Option(
        None, "--target", "-t", help="Held-out data that outcomes are measured on."
    ),
    out: Path = typer.Option(None, "--out", "-o", help="Folder (default RUN/labels/DESIGN)."),
    design: str = typer.Option(None, help="subsets (default), clusters or influence."),
    groups: int = typer.Option(None, min=1, help="Trainings; default 60 (subsets), 30 (clusters)."),
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
    model: str = typer.Option(None, help="embedded (default), a folder, or a hub id."),
    train: str = typer.Option(None, help="projector (default), lora or all."),
    steps: int = typer.Option(None, min=1, help="Optimiser steps of each training; default 25."),
    batch_size: int = typer.Option(None, min=1, help="Samples per pass; default 8."),
    gradient_accumulation: int = typer.Option(None, min=1, help="Passes per step; default 1."),
    learning_rate: float = typer.Option(
        None, help="Peak; default 1e-3 (projector), 2e-4 (lora), 2e-5 (all)."
    ),
    max_length: int = typer.Option(None, min=1, help="Longest sample in tokens."),
    bf16: bool = typer.Option(None, help="Compute in bfloat16; default: where a GPU can."),
    text_only: bool = typer.Option(None, "--text-only", help="Rows without image too."),
    cache_features: bool = typer.Option(None, help="Run the vision tower once per image (on)."),
    cache: Path = typer.Option(None, help="Where features are kept between runs."),
    devices: str = typer.Option(None, help="One worker each, e.g. 0,1,2,3 (CUDA), or cpu,cpu."),
    share: str = typer.Option(None, help="Do only part I of N, e.g. 2/4, on one of N machines."),
    target_limit: int = typer.Option(None, min=1, help="At most so many target samples, drawn."),
    format: str = typer.Option(None, help="Format of the target (see `pickwell formats`)."),
    images: Path = typer.Option(None, help="Folder that the target's image paths start from."),
    card: str = typer.Option(None, help="Read the target's columns as this data card says."),
    columns: str = typer.Option(None, help="Own mapping, e.g. image=file,response=caption."),
    split: str = typer.Option(None, help="Split of a Hugging Face data set."),
    instruction: str = typer.Option(None, help="Instruction for a target that has none."),
    trust_remote_code: bool = typer.Option(
        None, "--trust-remote-code", help="Run code that comes with the model."
    ),
    seed: int = typer.Option(None, help="Seed of groups and trainings."),
    config: ConfigFile = None,
) -> None:
    """Label RUN by many short trainings; type it again to go on after an interruption."""
    from pickwell.config import load_config
    from pickwell.console import progress
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
            run, target, out, config=settings, on_progress=update, on_source=print_source, **given
        )
    print_labels(result)
