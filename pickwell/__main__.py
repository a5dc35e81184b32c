"""The ``pickwell`` command.

Exit codes: 0 done; 1 finished, but ``--strict`` found bad rows, or ``watch --once`` a file that
failed; 2 bad input or configuration (also
a full disk, or a place that cannot be read or written); 130 interrupted, and the same command goes
on where it stopped.
"""

from __future__ import annotations

import errno
import sys
from importlib import import_module
from shutil import get_terminal_size

import typer

from data_cards.errors import BadInputError
from pickwell.commands.verb import Verb

INTERRUPTED = 130
WIDE = 100
"""Columns below which help has no frames: they would cut the names of options."""
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
PLACES = frozenset(
    {
        errno.EACCES,
        errno.EEXIST,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EPERM,
        errno.EROFS,
    }
)
"""What is wrong with a path that was given, not with pickwell."""
VERBS = (
    "demo",
    "score",
    "label",
    "fit",
    "select",
    "prune",
    "benchmark",
    "finetune",
    "evaluate",
    "compare",
    "explain",
    "push",
    "report",
    "metrics",
    "methods",
    "models",
    "formats",
    "theory",
    "serve",
    "watch",
)

app = typer.Typer(
    name="pickwell",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich" if get_terminal_size().columns >= WIDE else None,
    help="Pick the few hundred vision-language pairs that are worth fine-tuning on, and say why.",
    epilog="Exit codes: 0 done; 1 finished, and --strict found bad rows; 2 bad input or"
    " configuration; 130 interrupted (the same command goes on where it stopped).",
)


def _version(wanted: bool) -> None:
    if wanted:
        from pickwell import __version__

        typer.echo(f"pickwell {__version__}")
        raise typer.Exit


@app.callback()
def _front(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Pick the few hundred vision-language pairs that are worth fine-tuning on, and say why."""


for _verb in VERBS:
    app.command(_verb, cls=Verb)(getattr(import_module(f"pickwell.commands.{_verb}"), _verb))


def main() -> None:
    """Run the command line; turn every expected failure into a message and its exit code."""
    from pickwell.console import problem

    try:
        app()
    except BadInputError as error:
        problem(error.message, error.remedy)
        sys.exit(2)
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer's answer to Ctrl-C, which it gives without a word
            problem("Interrupted.", "Type the same command again: it goes on where it stopped.")
        raise
    except OSError as error:
        if error.errno in FULL:
            problem(
                f"The disk is full ({error.filename or 'while writing'}).",
                "Free some space, or choose another disk with --out and --cache; then type the "
                "same command again: it goes on where it stopped.",
            )
        elif error.errno in PLACES and error.filename is not None:
            problem(
                f"{error.filename} cannot be read or written: {error.strerror}.",
                "Check the paths that were given, and who may write there.",
            )
        else:
            raise
        sys.exit(2)


if __name__ == "__main__":
    main()
