"""``pickwell evaluate``: how well a model answers held-out questions."""

from __future__ import annotations

from pathlib import Path

import typer

from pickwell.commands.options import ConfigFile, Strict, overrides, parse_columns


def evaluate(
    model: str = typer.Argument(..., help="embedded, a folder, or a hub id."),
    data: str = typer.Argument(..., help="Held-out data: a file, a folder, or hf://owner/name."),
    out: Path = typer.Option(None, "--out", "-o", help="Folder to write; else only print."),
    baseline: str = typer.Option(None, help="A second model; differences are paired."),
    limit: int = typer.Option(None, min=1, help="Evaluate this many samples, drawn by --seed."),
    short_words: int = typer.Option(None, min=1, help="Longest short answer in words; default 3."),
    cut: float = typer.Option(None, min=1, help="Keep this x the reference's words; default 3."),
    generations: int = typer.Option(None, min=0, help="Sample generations; default 24."),
    max_new_tokens: int = typer.Option(None, min=1, help="Longest generated answer; default 48."),
    no_generate: bool = typer.Option(False, "--no-generate", help="Generate no answers."),
    max_tokens: int = typer.Option(None, min=8, help="Longest sample; longer ones are left out."),
    batch_size: int = typer.Option(None, min=1, help="Prompts in one pass; default 8."),
    blind: str = typer.Option(None, help="Not seeing the image means: without (default), blank."),
    wrong: str = typer.Option(None, help="Column with wrong responses; none: always draw them."),
    dtype: str = typer.Option(None, help="auto (default), float32, bfloat16 or float16."),
    device: str = typer.Option(None, help="cpu, cuda, ...; default: CUDA where there is one."),
    trust_remote_code: bool = typer.Option(
        False, "--trust-remote-code", help="Run code that comes with the model."
    ),
    draws: int = typer.Option(None, help="Bootstrap resamples; default 2000."),
    format: str = typer.Option(None, help="State the format (see `pickwell formats`)."),
    images: Path = typer.Option(None, help="Folder that relative image paths start from."),
    card: str = typer.Option(None, help="Read columns as this data card says."),
    columns: str = typer.Option(None, help="Own mapping, e.g. image=file,response=caption."),
    split: str = typer.Option(None, help="Split of a Hugging Face data set."),
    instruction: str = typer.Option(None, help="Instruction for data that has none."),
    cache: Path = typer.Option(None, help="Where computed results are kept between runs."),
    seed: int = typer.Option(None, help="Seed of whatever draws."),
    config: ConfigFile = None,
    strict: Strict = False,
) -> None:
    """Evaluate MODEL on held-out DATA; type it again to go on after an interruption."""
    from pickwell.config_file import load_config
    from pickwell.console import progress
    from pickwell.evaluate_job import evaluate as run_evaluation
    from pickwell.evaluation_summary import print_evaluation
    from pickwell.summary import print_source

    given = overrides(
        baseline=baseline,
        limit=limit,
        short_words=short_words,
        cut=cut,
        generations=generations,
        max_new_tokens=max_new_tokens,
        generate=False if no_generate else None,
        max_tokens=max_tokens,
        batch_size=batch_size,
        blind=blind,
        wrong=wrong,
        dtype=dtype,
        device=device,
        trust_remote_code=True if trust_remote_code else None,
        draws=draws,
        format=format,
        images=images,
        card=card,
        columns=parse_columns(columns),
        split=split,
        instruction=instruction,
        cache=cache,
        seed=seed,
    )
    settings = load_config(config).evaluate
    with progress() as update:
        result = run_evaluation(
            model, data, out, config=settings, on_progress=update, on_source=print_source, **given
        )
    print_evaluation(result)
    if strict and result.left_out:
        raise typer.Exit(1)
