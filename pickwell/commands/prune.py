"""``pickwell prune``: a share of a corpus of pictures stays, by distance to its prototypes."""

from __future__ import annotations

from pathlib import Path

import typer

from pickwell.commands.options import ConfigFile, number, overrides, parse_columns


def prune(
    corpus: str = typer.Argument(
        ..., help="Folder, file or hf://owner/name of pictures; or a corpus pruned before."
    ),
    out: Path = typer.Option(..., "--out", "-o", help="Folder to write."),
    keep: float = typer.Option(
        None, "--keep", "-k", parser=number, help="Share that stays (default 0.8)."
    ),
    count: int = typer.Option(None, min=1, help="How many stay, in place of a share."),
    strategy: str = typer.Option(
        None,
        "--strategy",
        "-s",
        help="auto (default: probes; without classes the amount of data), hard, easy, random, "
        "moderate.",
    ),
    by: str = typer.Option(
        None,
        help="A method of `pickwell methods` instead, e.g. ccs:forgetting, semdedup:epsilon=0.1.",
    ),
    per_class: int = typer.Option(None, min=1, help="With --by: so many of each class."),
    encoder: str = typer.Option(
        None, help="embedded (default), open_clip:..., timm:..., hf-image:... ."
    ),
    prototypes: int = typer.Option(
        None, min=1, help="How many; default: the number of classes, else the root of the pictures."
    ),
    supervised: bool = typer.Option(
        None, "--supervised", help="Class means in place of k-means prototypes."
    ),
    balance: float = typer.Option(
        None, parser=number, help="Floor of each class as a share of its equal share (0.5)."
    ),
    balance_by: str = typer.Option(None, help="labels, clusters or none; auto: labels if any."),
    random_share: float = typer.Option(
        None, parser=number, help="Part of the kept that is drawn at random (0)."
    ),
    duplicates: float = typer.Option(
        None,
        parser=number,
        help="Cosine from which pictures of a cluster are duplicates, e.g. 0.97; else none.",
    ),
    duplicates_share: float = typer.Option(
        None, parser=number, help="Share that goes as duplicates, instead."
    ),
    duplicates_first: str = typer.Option(
        None, help="Which of them stays: hard (default), easy or random."
    ),
    chains: bool = typer.Option(
        None, "--chains", help="Duplicates that went let others go, too (as published)."
    ),
    group: str = typer.Option(
        None, help="Pattern in ids: what it finds says which pictures probes must not divide."
    ),
    probe: str = typer.Option(None, help="linear (default), knn or none."),
    probe_seeds: int = typer.Option(None, min=2, help="Repetitions of the probes (5)."),
    robust: bool = typer.Option(
        None, help="Try other numbers of prototypes for the report (up to 200,000 pictures)."
    ),
    copy_records: bool = typer.Option(
        None, "--copy-records", help="Copy what stays in the corpus's own format to OUT/data."
    ),
    copy_images: bool = typer.Option(
        None, "--copy-images", help="With the images that the records name."
    ),
    format: str = typer.Option(None, help="State the format (see `pickwell formats`)."),
    images: Path = typer.Option(None, help="Folder that relative image paths start from."),
    columns: str = typer.Option(None, help="Which field is what, e.g. image=file,label=kind."),
    split: str = typer.Option(None, help="Split of a data set of the hub."),
    subset: str = typer.Option(None, help="Configuration of a data set of the hub."),
    streaming: bool = typer.Option(None, help="Stream the hub rather than download it (on)."),
    allow_urls: bool = typer.Option(None, "--allow-urls", help="Images may be addresses."),
    allow_pickle: list[str] = typer.Option(
        None, help="Encoder whose pickled weights may be read; repeatable."
    ),
    trust_remote_code: list[str] = typer.Option(
        None, help="Encoder whose own code may run; repeatable."
    ),
    limit: int = typer.Option(None, min=1, help="Only the first pictures."),
    cache: Path = typer.Option(None, help="Where computed results are kept between runs."),
    workers: int = typer.Option(None, min=0, help="Decoding threads; default: one per core."),
    max_pixels: int = typer.Option(
        None, min=1, help="Larger pictures are refused by their header (50 million)."
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
    seed: int = typer.Option(None, min=0, help="Of all draws and ties."),
    config: ConfigFile = None,
) -> None:
    """Keep the share of a corpus of pictures that teaches most, and show what goes."""
    from pickwell.config_file import load_config
    from pickwell.console import progress
    from pickwell.prune_job import prune as run_prune
    from pickwell.prune_summary import print_pruned
    from pickwell.summary import print_source

    given = overrides(
        keep=keep,
        count=count,
        strategy=strategy,
        by=by,
        per_class=per_class,
        encoder=encoder,
        prototypes=prototypes,
        supervised=supervised,
        balance=balance,
        balance_by=balance_by,
        random_share=random_share,
        duplicates=duplicates,
        duplicates_share=duplicates_share,
        duplicates_first=duplicates_first,
        chains=chains,
        group=group,
        probe=probe,
        probe_seeds=probe_seeds,
        robust=robust,
        copy_records=copy_records,
        copy_images=copy_images,
        format=format,
        images=images,
        columns=parse_columns(columns),
        split=split,
        subset=subset,
        streaming=streaming,
        allow_urls=allow_urls,
        allow_pickle=allow_pickle or None,
        trust_remote_code=trust_remote_code or None,
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
    settings = load_config(config).prune
    with progress() as update:
        made = run_prune(
            corpus, out, config=settings, on_progress=update, on_source=print_source, **given
        )
    print_pruned(made)
