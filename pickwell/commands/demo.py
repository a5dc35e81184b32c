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
    train: bool = typer.Option(True, help="Fine-tune and evaluate too (minutes more)."),
    data_only: bool = typer.Option(False, "--data-only", help="Stop when the pool is built."),
    pictures: bool = typer.Option(
        False, "--pictures", help="Only build a corpus of 18,815 pictures for `pickwell prune`."
    ),
) -> None:
    """Go the whole way on real pairs, some of them broken, and open the books."""
    from pickwell.console import err
    from pickwell.demo_job import build, build_pictures, go_all_the_way
    from pickwell.demo_summary import print_outcome

    if pictures:
        build_pictures(dir, packages, say=lambda line: err.print(line, markup=False))
        return
    pool = build(dir, packages, seed, say=lambda line: err.print(line, markup=False))
    if data_only:
        from data_cards.demo.parts import divide

        parts = divide(pool, seed)
        for path in (parts.pool, parts.held_out, parts.batch, parts.marks):
            err.print(str(path), markup=False)
        return
    print_outcome(go_all_the_way(dir, pool, budget, seed, train=train), dir)
