"""``pickwell compare``: is the choice better than random, and than everything?"""

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
    epochs: float = typer.Option(
        None, min=0, help="Passes of every arm at equal epochs; default 1; 0: equal steps only."
    ),
    full_seeds: int = typer.Option(
        None, min=1, help="Trainings of the whole pool at equal epochs, the dearest ones."
    ),
    budgets: str = typer.Option(None, help="A curve, e.g. 50,100,200,400,800,all."),
    curve: str = typer.Option(None, help="Arms of the curve (default selected,random)."),
    model: Model = None,
    train: Train = None,
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
    seed: int = typer.Option(None, help="First seed of draws and orders; of intervals."),
    config: ConfigFile = None,
) -> None:
    """Train on what each arm chooses, all alike; type it again to go on."""
    from pickwell.compare_job import compare as run_comparison
    from pickwell.compare_summary import print_comparison
    from pickwell.config_file import load_config
    from pickwell.console import err, progress
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
            run, target, out, config=settings, on_progress=update, on_source=print_source,
            on_plan=lambda sentence: err.print(sentence, markup=False, soft_wrap=True), **given,
        )  # fmt: skip
    print_comparison(result)
