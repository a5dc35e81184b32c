"""``pickwell compare``: is the choice better than random, and than everything?"""

from __future__ import annotations

from pathlib import Path

import typer

from pickwell.commands.options import ConfigFile, overrides, parse_columns


def compare(
    run: Path = typer.Argument(..., help="Run folder."),
    target: str = typer.Option(
        ..., "--target", "-t", help="Held-out data that no choice and no label has seen."
    ),
    out: Path = typer.Option(None, "--out", "-o", help="Folder (default RUN/comparison)."),
    arms: str = typer.Option(
        None,
        help="Comma-separated: selected, random, reward-only, alignment-only, length-only, longest,"
        " consensus, k-center, full (default: these); quality-only, clusters-only,"
        " random-above-floors; a selection folder; with options: selected:clusters=30.",
    ),
    budget: int = typer.Option(None, "--budget", "-b", min=1, help="Samples chosen; default 200."),
    seeds: int = typer.Option(None, min=1, help="Trainings of each arm; default 5."),
    steps: int = typer.Option(None, min=1, help="Steps of every arm at equal steps; default 25."),
    epochs: float = typer.Option(None, help="Passes of every arm at equal epochs; default 1."),
    full_seeds: int = typer.Option(
        None, min=1, help="Trainings of the whole pool at equal epochs, the dearest ones."
    ),
    budgets: str = typer.Option(None, help="A curve, e.g. 50,100,200,400,800,all."),
    curve: str = typer.Option(None, help="Arms of the curve (default selected,random)."),
    model: str = typer.Option(None, help="embedded (default), a folder, or a hub id."),
    train: str = typer.Option(None, help="projector (default), lora or all."),
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
    seed: int = typer.Option(None, help="Seed of choices and intervals."),
    config: ConfigFile = None,
) -> None:
    """Train on what each arm chooses, all alike; type it again to go on."""
    from pickwell.compare_job import compare as run_comparison
    from pickwell.compare_summary import print_comparison
    from pickwell.config import load_config
    from pickwell.console import progress
    from pickwell.summary import print_source

    given = overrides(
        arms=arms,
        budget=budget,
        seeds=seeds,
        steps=steps,
        epochs=epochs,
        full_seeds=full_seeds,
        budgets=budgets,
        curve=curve,
        model=model,
        train=train,
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
    settings = load_config(config).compare
    with progress() as update:
        result = run_comparison(
            run, target, out, config=settings, on_progress=update, on_source=print_source, **given
        )
    print_comparison(result)
