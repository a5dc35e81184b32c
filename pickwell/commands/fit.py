"""``pickwell fit``: learn from labels how the metrics combine, or be told that they do not."""

from __future__ import annotations

from pathlib import Path

import typer

from pickwell.commands.options import ConfigFile, overrides


def fit(
    run: Path = typer.Argument(..., help="Run folder, or a table of metrics (Parquet, CSV)."),
    labels: Path = typer.Option(..., "--labels", "-l", help="Labels per sample or per group."),
    out: Path = typer.Option(None, "--out", "-o", help="Folder to write (default RUN/quality)."),
    groups: Path = typer.Option(None, help="Members of groups: a file with rows id,group."),
    group: str = typer.Option(None, help="Members of groups: this column of RUN."),
    id: str = typer.Option(None, help="Column of ids in a plain table (default id)."),
    regressors: str = typer.Option(
        None, help="Comma-separated: ridge, forest, gbm, mlp, attention (default), release."
    ),
    features: str = typer.Option(None, help="Comma-separated columns; default: the metrics."),
    components: int = typer.Option(None, min=1, help="Reduce the features to so many by PCA."),
    direction: list[str] = typer.Option(
        None, "--direction", help="NAME=higher, lower or none, for the fall-back; repeatable."
    ),
    folds: int = typer.Option(None, min=2, help="Outer folds (default: each alone up to 40)."),
    permutations: int = typer.Option(None, min=19, help="Shuffles of the test (default 200)."),
    seed: int = typer.Option(None, help="Seed of folds, fits and draws."),
    config: ConfigFile = None,
) -> None:
    """Fit a quality to labels; where nothing beats their mean, the consensus is kept."""
    from pickwell.config_file import load_config
    from pickwell.console import progress
    from pickwell.fit_job import fit as run_fit
    from pickwell.fit_job import known_directions, model_folder
    from pickwell.fit_summary import print_fit

    given = overrides(
        groups=groups,
        group=group,
        id=id,
        regressors=regressors,
        features=features,
        components=components,
        directions=known_directions(direction) if direction else None,
        folds=folds,
        permutations=permutations,
        seed=seed,
    )
    settings = load_config(config).fit
    with progress() as update:
        result = run_fit(run, labels, out, config=settings, on_progress=update, **given)
    print_fit(result, model_folder(run, out))
