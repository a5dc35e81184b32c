"""``python -m benchmarks.coresets``: measure; write JSON, plots and part of docs/coresets.md."""

from __future__ import annotations

import time
from pathlib import Path

import typer

ROOT = Path(__file__).parents[2]


def main(
    dir: Path = typer.Option(Path(".demo"), help="Folder of the demo's packages."),
    quick: bool = typer.Option(False, "--quick", help="Everything once, far too small to prove."),
    out: Path = typer.Option(None, help="Where the results go (default docs; quick: DIR)."),
    only: str = typer.Option(None, help="Comma-separated questions."),
) -> None:
    """Compare the shelf with random on digits, MNIST and clip art; interrupted, it goes on.

    Ends with 1 where a question failed, or a method is over the limit of time.
    """
    from benchmarks.coresets.page import write_page
    from benchmarks.coresets.questions import answer, missed, questions

    started = time.time()

    def say(line: str) -> None:
        print(f"[{(time.time() - started) / 60:5.1f} min] {line}", flush=True)

    folder = dir / ("coresets_quick" if quick else "coresets")
    docs = out or (folder / "docs" if quick else ROOT / "docs")
    known = questions(dir, folder, quick, say)
    names = only.split(",") if only else list(known)
    lost = sorted(set(names) - set(known))
    if lost:
        raise typer.BadParameter(f"no question {', '.join(lost)}; there are {', '.join(known)}")
    asked = {name: known[name] for name in names}
    command = "python -m benchmarks.coresets" + (" --quick" if quick else "")
    failed = answer(asked, docs, command, write_page, say)
    over = missed(docs, asked)
    say(f"written to {docs}")
    if failed:
        say(f"failed: {', '.join(failed)}")
    if over:
        say(f"over the limit of time: {', '.join(over)}")
    if failed or over:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
