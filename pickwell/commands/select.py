"""``pickwell select``: as many good and diverse pairs as asked for, a reason for every row."""

from __future__ import annotations

from pathlib import Path

import typer

from pickwell.commands.options import ConfigFile, overrides


def select(
    run: Path = typer.Argument(..., help="Run folder that `pickwell score` wrote."),
    out: Path = typer.Option(..., "--out", "-o", help="Selection folder to write."),
    budget: int = typer.Option(None, "--budget", "-b", min=1, help="How many (default 200)."),
    by: str = typer.Option(None, help="Rank by this column instead of the consensus."),
    consensus: str = typer.Option(
        None, help="Comma-separated columns that the consensus is made of; default: what applies."
    ),
    quality: str = typer.Option(
        None, help="auto (default: RUN/quality if `fit` found one), consensus, or its folder."
    ),
    method: str = typer.Option(
        None,
        "--method",
        "--diversity",
        help="clusters (default), top, random, release, or a method of `pickwell methods` that "
        "needs no labels, e.g. facility-location, graph-cut:neighbours=8.",
    ),
    clusters: int = typer.Option(None, min=1, help="Number of clusters; default by budget."),
    clustering: str = typer.Option(None, help="kmeans (default) or spectral."),
    space: str = typer.Option(None, help="Cluster by image, text or both (default)."),
    tempering: float = typer.Option(
        None, help="Places by cluster size to this power: 1 proportional (default), 0 equal."
    ),
    floor: list[str] = typer.Option(
        None, "--floor", help="Throw out rows beyond it, e.g. 'repetition<=0.5'; repeatable."
    ),
    default_floors: bool = typer.Option(None, help="The built-in floors (on)."),
    near_duplicate: float = typer.Option(
        None, help="Cosine from which two are duplicates (0.95); above 1: none are."
    ),
    add_to: Path = typer.Option(
        None, "--add-to", help="Add to this selection: its picks stay, --budget is for new ones."
    ),
    copy_images: bool = typer.Option(None, "--copy-images", help="Copy the chosen images too."),
    random_seeds: int = typer.Option(
        None, min=5, help="Random draws that the choice is shown beside (200)."
    ),
    seed: int = typer.Option(None, help="Seed of clusters and ties."),
    config: ConfigFile = None,
) -> None:
    """Choose from a scored RUN; runs no model, so try budgets as often as you like."""
    from pickwell.config_file import load_config
    from pickwell.console import err, progress
    from pickwell.selection_job import select as run_select
    from pickwell.summary import print_selection

    given = overrides(
        budget=budget,
        by=by,
        consensus=consensus,
        quality=quality,
        method=method,
        clusters=clusters,
        clustering=clustering,
        space=space,
        tempering=tempering,
        floors=floor or None,
        default_floors=default_floors,
        near_duplicate=near_duplicate,
        add_to=add_to,
        copy_images=copy_images,
        random_seeds=random_seeds,
        seed=seed,
    )
    settings = load_config(config).select
    with progress() as update:
        selection = run_select(run, out, config=settings, on_progress=update, **given)
    print_selection(selection, out)
    for line in selection.parameters.get("notes", []):
        err.print(line, markup=False, soft_wrap=True)
