"""``python -m benchmarks.pruning``: measure; write JSON, plots and part of docs/pruning.md."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

ROOT = Path(__file__).parents[2]


def main(
    dir: Path = typer.Option(Path(".demo"), help="Folder of the demo's packages."),
    quick: bool = typer.Option(False, "--quick", help="Everything once, far too small to prove."),
    out: Path = typer.Option(None, help="Where the results go (default docs; quick: DIR)."),
    only: str = typer.Option(None, help="Comma-separated questions."),
) -> None:
    """Prove it again; a question that was answered in OUT is asked anew."""
    from benchmarks.pruning import corpora
    from benchmarks.pruning.curves import curves
    from benchmarks.pruning.network import network_runs
    from benchmarks.pruning.page import write_page
    from benchmarks.pruning.repeats import repeats
    from pickwell.demo_job import build_pictures
    from pickwell.scoring_job import default_cache

    started = time.time()

    def say(line: str) -> None:
        print(f"[{(time.time() - started) / 60:5.1f} min] {line}", flush=True)

    listed = build_pictures(dir, None, say)
    folder, packages = dir / "pruning", listed.parent
    cache = Path(os.environ.get("PICKWELL_CACHE") or default_cache())
    made: dict[str, corpora.Corpus] = {}

    def corpus(name: str) -> corpora.Corpus:
        if name not in made:
            if name == "mnist":
                made[name] = corpora.mnist(folder, cache, say)
            elif name == "clipart":
                made[name] = corpora.clipart(folder, packages, cache, say)
            else:
                made[name] = corpora.wesnoth(folder, packages, cache, say)
        return made[name]

    seeds = 2 if quick else 5
    small: dict[str, Any] = {
        "fractions": (0.8,) if quick else (0.3, 0.5, 0.8),
        "sizes": (0.1,) if quick else (1.0, 0.1),
        "say": say,
    }

    def copies() -> dict[str, Any]:
        art = corpus("clipart")
        return repeats(art, corpora.planted(art, folder, cache, 300, 0, say), say)

    questions: dict[str, Callable[[], Any]] = {
        "curves": lambda: {n: curves(corpus(n), seeds, say) for n in corpora_names},
        "network_mnist": lambda: network_runs(
            corpus("mnist"), side=28, colour=False, seeds=seeds, epochs=8, **small
        ),
        "network_wesnoth": lambda: network_runs(
            corpus("wesnoth"), side=32, colour=True, seeds=2 if quick else 3, epochs=5, **small
        ),
        "duplicates": copies,
    }
    corpora_names = ("mnist", "clipart", "wesnoth")
    docs = out or (folder / "docs" if quick else ROOT / "docs")
    place = docs / "pruning"
    place.mkdir(parents=True, exist_ok=True)
    for name in only.split(",") if only else questions:
        begun = time.time()
        answer = {
            "command": "python -m benchmarks.pruning" + (" --quick" if quick else ""),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "answer": questions[name](),
            "minutes": round((time.time() - begun) / 60, 1),
        }
        (place / f"{name}.json").write_text(json.dumps(answer, indent=1) + "\n", "utf-8")
    write_page(docs)
    say(f"written to {docs}")


if __name__ == "__main__":
    typer.run(main)
