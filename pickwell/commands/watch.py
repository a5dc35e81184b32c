"""``pickwell watch``: what lands in a folder is scored like a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer


def watch(
    folder: Path = typer.Argument(..., metavar="DIR", help="Where data files land."),
    like: Path = typer.Option(..., help="Run or selection that they are scored like."),
    out: Path = typer.Option(..., "--out", "-o", help="Folder for the runs and the ledger."),
    chosen: Path = typer.Option(
        None, help="With a run: name the near-duplicates of this selection's picks."
    ),
    images: Path = typer.Option(None, help="Folder that relative image paths start from."),
    format: str = typer.Option(None, help="State the format of all (see `pickwell formats`)."),
    once: bool = typer.Option(
        False, "--once", help="End when nothing is left; exit code 1 if a file failed."
    ),
    retry: bool = typer.Option(False, "--retry", help="Try files again that failed before."),
    settle: float = typer.Option(2.0, min=0, help="Seconds that a file must have stood still."),
    poll: float = typer.Option(10.0, min=0.1, help="Seconds between looks without an event."),
    cache: Path = typer.Option(None, help="Where computed results are kept between runs."),
) -> None:
    """Score data files like a run as they land in DIR, each exactly once."""
    import signal

    from data_cards.errors import BadInputError
    from pickwell.console import out as screen
    from pickwell.watch_job import watch as run_watch

    if not once:
        try:
            import watchfiles  # noqa: F401
        except ModuleNotFoundError as error:
            raise BadInputError(
                "The package watchfiles is not installed.",
                'Install it with pip install "pickwell[serve]", or use --once.',
            ) from error
        screen.print(f"Watching {folder}; Ctrl-C ends it.", markup=False, soft_wrap=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: it goes on next time
    tally = run_watch(
        folder,
        out,
        like=like,
        chosen=chosen,
        images=images,
        format=format,
        cache=cache,
        settle=settle,
        poll=poll,
        once=once,
        retry=retry,
        told=lambda entry: _tell(entry, out),
    )
    screen.print(f"{tally}; {out / 'ledger.jsonl'}", markup=False, soft_wrap=True)
    if once and tally.failed:
        raise typer.Exit(1)


def _tell(entry: dict[str, Any], out: Path) -> None:
    from pickwell.console import out as screen
    from pickwell.console import problem

    name = entry["name"]
    if entry["outcome"] == "failed":
        error = entry["error"]  # most of them name the file already
        problem(error if name in error else f"{name}: {error}", entry["remedy"])
        return
    if entry["outcome"] == "scored":
        drifted = f"; drifted: {', '.join(entry['drifted'])}" if entry["drifted"] else ""
        if not entry.get("drift_tested", True):
            drifted = "; too few rows to tell a drift"
        said = f"{entry['rows']:,} rows, {entry['bad']:,} bad, {entry['seconds']:g} s{drifted}"
        said += f" -> {out / entry['run']}"
    elif "error" in entry:
        said = "unchanged, and it failed before; --retry tries it again"
    else:
        said = f"the content of {entry['same_as']}, which is scored"
    screen.print(f"{name}: {said}", markup=False, soft_wrap=True)
