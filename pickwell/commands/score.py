"""``pickwell score``: every pair of a data set gets its numbers."""

from __future__ import annotations

from pathlib import Path

import typer

from pickwell.commands.options import Strict, file_or_subset, overrides, parse_columns


def score(
    data: str = typer.Argument(..., help="A file, a folder, or hf://owner/name[@revision]."),
    out: Path = typer.Option(..., "--out", "-o", help="Run folder to write."),
    models: str = typer.Option(
        None, help="Preset: embedded (default), laptop, paper, best, none; see `pickwell models`."
    ),
    encoder: str = typer.Option(None, help="Image-text encoder, e.g. open_clip:ARCH/TAG."),
    reward: str = typer.Option(None, help="Reward model, e.g. hf-reward:owner/name."),
    language_model: str = typer.Option(None, help="embedded, hf-lm:owner/name, or none."),
    allow_pickle: list[str] = typer.Option(
        None, help="Model whose weights may be read though they are pickles."
    ),
    trust_remote_code: list[str] = typer.Option(None, help="Model whose own code may run."),
    judge: str = typer.Option(
        None, help="Ask a judge: openai:MODEL@http://HOST:PORT/v1, or vllm:MODEL (docs/judge.md)."
    ),
    rubric: str = typer.Option(None, help="What the judge rates: aspects (default), or paper."),
    judge_images: bool = typer.Option(
        None, "--judge-images/--no-judge-images", help="Whether the judge is shown the pictures."
    ),
    in_flight: int = typer.Option(None, min=1, help="Questions to the judge under way at once."),
    metrics: str = typer.Option(
        None, help="Comma-separated metrics or columns; default: all that apply."
    ),
    format: str = typer.Option(None, help="State the format (see `pickwell formats`)."),
    images: Path = typer.Option(None, help="Folder that relative image paths start from."),
    card: str = typer.Option(None, help="Read columns as this data card says."),
    columns: str = typer.Option(None, help="Own mapping, e.g. image=file,response=caption."),
    split: str = typer.Option(None, help="Split of a Hugging Face data set."),
    subset: str = typer.Option(None, help="Configuration of a Hugging Face data set."),
    streaming: bool = typer.Option(
        None, "--streaming/--no-streaming", help="Stream from the hub (default), or download first."
    ),
    allow_urls: bool = typer.Option(
        None, "--allow-urls", help="Fetch images that are http(s) addresses, public hosts only."
    ),
    instruction: str = typer.Option(None, help="Instruction for data that has none."),
    imports: list[Path] = typer.Option(
        None, "--import", help="Parquet or CSV with a column id: join its numbers."
    ),
    like: Path = typer.Option(
        None, help="Run or selection: score as that run was scored, row by row, and tell the drift."
    ),
    chosen: Path = typer.Option(
        None, help="With --like RUN: name the near-duplicates of this selection's picks."
    ),
    limit: int = typer.Option(None, min=1, help="Score only the first rows."),
    cache: Path = typer.Option(None, help="Where computed results are kept between runs."),
    workers: int = typer.Option(None, help="Decoding threads; 0: one per core."),
    max_pixels: int = typer.Option(
        None, min=1, help="Larger images are refused by their header (50 million)."
    ),
    engine: str = typer.Option(
        None, help="local (default), or ray: on a Ray cluster (docs/scaling.md)."
    ),
    address: str = typer.Option(
        None, help="Of a running Ray cluster: HOST:PORT or auto; default: one started here."
    ),
    worker_cpus: float = typer.Option(None, help="Processors of a Ray worker; usually 1."),
    worker_gpus: float = typer.Option(None, help="GPUs of a Ray worker, e.g. 0.25."),
    max_workers: int = typer.Option(None, min=1, help="Ray workers, at most."),
    seed: int = typer.Option(None, help="Seed of whatever draws."),
    config: str = typer.Option(
        None,
        "--config",
        "-c",
        help="YAML file with all options; with hf:// data any other word is a configuration.",
    ),
    strict: Strict = False,
) -> None:
    """Score every pair of DATA into a run folder; type it again to go on after an interruption."""
    from pickwell.config_file import load_config
    from pickwell.console import progress
    from pickwell.scoring_job import score as run_score
    from pickwell.summary import print_run, print_source
    from scoring.model_specs import with_roles

    file, configuration = file_or_subset(data, config, subset)
    settings = load_config(file).score
    roles = {"encoder": encoder, "reward": reward, "language_model": language_model}
    if any(spec is not None for spec in roles.values()):
        # what is typed goes over the file, and a judge of its own over the one in its models
        file_models = with_roles(settings.models, {"judge": settings.judge})
        models = with_roles(models or file_models, roles)
    given = overrides(
        models=models,
        allow_pickle=allow_pickle or None,
        trust_remote_code=trust_remote_code or None,
        judge=judge,
        metrics=[m.strip() for m in metrics.split(",") if m.strip()] if metrics else None,
        format=format,
        images=images,
        card=card,
        columns=parse_columns(columns),
        split=split,
        subset=configuration,
        streaming=streaming,
        allow_urls=allow_urls,
        instruction=instruction,
        imports=imports or None,
        like=like,
        chosen=chosen,
        limit=limit,
        cache=cache,
        workers=workers,
        max_pixels=max_pixels,
        engine=engine,
        address=address,
        worker_cpus=worker_cpus,
        worker_gpus=worker_gpus,
        max_workers=max_workers,
        seed=seed,
    )
    asked = overrides(rubric=rubric, images=judge_images, in_flight=in_flight)
    if asked:
        given["judge_options"] = settings.judge_options.model_dump(exclude_unset=True) | asked
    with progress() as update:
        run = run_score(
            data, out, config=settings, on_progress=update, on_source=print_source, **given
        )
    print_run(run)
    if run.manifest.get("like"):
        from pickwell.like_summary import print_like

        print_like(run)
    if strict and run.manifest["status"].get("bad", 0):
        raise typer.Exit(1)
