"""``pickwell demo``: the whole job on real pictures that Debian packages hold."""

from __future__ import annotations

from pathlib import Path

import typer


def demo(
    dir: Path = typer.Option(Path(".demo"), help="Folder for packages, pool, run and selection."),
    packages: Path = typer.Option(
        None, help="Folder of .deb files, or of unpacked ones; default: fetched with apt-get."
    ),
    budget: int = typer.Option(200, "--budget", "-b", min=1, help="How many to choose."),
    seed: int = typer.Option(0, help="Seed of pool, clusters and ties."),
    data_only: bool = typer.Option(False, "--data-only", help="Stop when the pool is built."),
) -> None:
    """Build a pool of real pairs (some of them broken), choose the best, and open the books."""
    from pickwell.console import err
    from pickwell.demo_job import build, choose
    from pickwell.summary import print_run, print_selection

    pool = build(dir, packages, seed, say=lambda line: err.print(line, markup=False))
    if data_only:
        return
    run, selection, lines = choose(dir, pool, budget, seed)
    print_run(run)
    print_selection(selection, dir / "selection")
    for line in lines:
        typer.echo(line)
