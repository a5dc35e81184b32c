"""``pickwell push``: a selection becomes a data set on the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

import typer


def push(
    selection: Path = typer.Argument(..., help="Selection folder that `pickwell select` wrote."),
    repository: str = typer.Argument(..., help="owner/name on the hub; made if it is not there."),
    private: bool = typer.Option(False, "--private", help="Make it a private repository."),
    revision: str = typer.Option(
        None, "--revision", "--branch", help="Branch to push to; made if it is not there."
    ),
    message: str = typer.Option(None, "--message", "-m", help="Message of the commit."),
    token_from_env: str = typer.Option(
        None,
        "--token-from-env",
        help="Environment variable that holds the token (default: HF_TOKEN or the login).",
    ),
    image_files: bool = typer.Option(
        True, help="Push the image files beside the records too (they are in the table anyway)."
    ),
    licence_confirmed: bool = typer.Option(
        False, "--licence-confirmed", help="I have made sure that the licence allows it."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only list what would be pushed."),
) -> None:
    """Push the chosen samples, with images, card and manifest, in one commit."""
    from pickwell.console import err, out, progress
    from pickwell.push_job import push as run_push
    from pickwell.push_job import token_from

    with progress() as update:
        pushed = run_push(
            selection,
            repository,
            private=private,
            revision=revision,
            message=message,
            token=token_from(token_from_env),
            licence_confirmed=licence_confirmed,
            image_files=image_files,
            dry_run=dry_run,
            on_progress=update,
        )
    place = repository if revision is None else f"the branch {revision} of {repository}"
    if pushed.licence.words:
        err.print(pushed.licence.words, markup=False, soft_wrap=True)
    if pushed.url is None:
        for path, size in pushed.files.items():
            out.print(f"{size:>13,}  {path}", markup=False, soft_wrap=True)
        total = sum(pushed.files.values())
        said = f"{len(pushed.files):,} files, {total:,} bytes would go to {place}; nothing did."
        out.print(said, markup=False, soft_wrap=True)
        if pushed.licence.confirm and not licence_confirmed:
            err.print(
                "Without --licence-confirmed they will not: it says that you have made sure that "
                "the samples may be passed on.",
                style="yellow",
            )
        return
    said = f"{len(pushed.files):,} files pushed to {place}: {pushed.url}"
    if pushed.unchanged:
        said = f"Nothing new: {place} holds just these files, see {pushed.url}"
    out.print(said, markup=False, soft_wrap=True)
