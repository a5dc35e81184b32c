"""``pickwell benchmark``: which way of cutting a corpus down is worth it, beside random."""

from __future__ import annotations

from pathlib import Path

import typer

from pickwell.commands.options import ConfigFile, overrides, parse_columns


def benchmark(
    corpus: str = typer.Argument(
        ..., help="Pictures with classes: folder, file or hf://owner/name; or a pruned corpus."
    ),
    out: Path = typer.Option(..., "--out", "-o", help="Folder to write."),
    methods: str = typer.Option(
        None, help="Comma-separated, e.g. herding,ccs,hardest:forgetting; see `pickwell methods`."
    ),
    score: str = typer.Option(
        None, help="What methods rank by that name no score: el2n (default), forgetting, aum, ..."
    ),
    score_runs: int = typer.Option(
        None, min=1, help="Starts of the proxy that scores come from (3)."
    ),
    score_epoch: int = typer.Option(
        None, min=1, help="Epoch after which el2n, grand, entropy and margin are read (the last)."
    ),
    fractions: str = typer.Option(None, help="Shares kept, e.g. 0.1,0.3,0.8."),
    per_class: str = typer.Option(None, help="Numbers per class, e.g. 1,10,50."),
    seeds: int = typer.Option(None, min=1, help="Repetitions, each with its own split (5)."),
    model: str = typer.Option(
        None, help="linear (on stored embeddings, default), convnet or resnet18 (on pixels)."
    ),
    epochs: int = typer.Option(None, min=1, help="Of each training (30)."),
    encoder: str = typer.Option(None, help="Image encoder, as for prune."),
    group: str = typer.Option(
        None, help="Pattern in ids: what it finds says which pictures a split must not divide."
    ),
    least: int = typer.Option(None, min=2, help="Smaller classes take no part (10)."),
    columns: str = typer.Option(None, help="Which field is what, e.g. image=file,label=kind."),
    format: str = typer.Option(None, help="State the format (see `pickwell formats`)."),
    images: Path = typer.Option(None, help="Folder that relative image paths start from."),
    limit: int = typer.Option(None, min=1, help="Only the first pictures."),
    cache: Path = typer.Option(None, help="Where computed vectors are kept between runs."),
    device: str = typer.Option(None, help="cpu, cuda; default: a GPU if there is one."),
    seed: int = typer.Option(None, min=0, help="The first of the seeds."),
    config: ConfigFile = None,
) -> None:
    """Reduce a corpus by each method, train alike on what is kept, and compare with random."""
    from pickwell.benchmark_job import benchmark as run_benchmark
    from pickwell.benchmark_summary import print_benchmark, print_there
    from pickwell.config_file import load_config
    from pickwell.console import progress
    from pickwell.summary import print_source

    given = overrides(
        methods=methods,
        score=score,
        score_runs=score_runs,
        score_epoch=score_epoch,
        fractions=fractions,
        per_class=per_class,
        seeds=seeds,
        model=model,
        epochs=epochs,
        encoder=encoder,
        group=group,
        least=least,
        columns=parse_columns(columns),
        format=format,
        images=images,
        limit=limit,
        cache=cache,
        device=device,
        seed=seed,
    )
    settings = load_config(config).benchmark
    with progress() as update:
        made = run_benchmark(
            corpus, out, config=settings, on_progress=update, on_source=print_source,
            on_there=print_there, **given,
        )  # fmt: skip
    print_benchmark(made)
