"""``python -m benchmarks.proof``: run it, keep what is done, write page, JSON and plots."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

ROOT = Path(__file__).parents[2]
EXTRA = ("budgets",)
"""Asked only by name: the curve over budgets would take the whole beyond two hours."""


def main(
    dir: Path = typer.Option(Path(".demo"), help="Folder of the demo's packages and pool."),
    quick: bool = typer.Option(False, "--quick", help="Everything once, far too small to prove."),
    out: Path = typer.Option(None, help="Where docs/proof.md goes (default docs; quick: DIR)."),
    seed: int = typer.Option(0, help="Of everything."),
    only: str = typer.Option(None, help="Comma-separated questions; `budgets` only so."),
) -> None:
    """Prove it again; interrupted, type the same again."""
    from benchmarks.proof import steps
    from benchmarks.proof.page import page
    from benchmarks.proof.parts import make_parts
    from benchmarks.proof.sizes import FULL, QUICK
    from pickwell import __version__
    from pickwell.demo_job import build
    from pickwell.plain_json import finite, plain_json

    started = time.time()

    def say(line: str) -> None:
        print(f"[{(time.time() - started) / 60:5.1f} min] {line}", flush=True)

    size = QUICK if quick else FULL
    folder = dir / (("proof_quick" if quick else "proof") + (f"_seed{seed}" if seed else ""))
    folder.mkdir(parents=True, exist_ok=True)
    pool = build(dir, None, seed, say=say)
    parts = make_parts(pool, folder, seed)
    proof = steps.Proof(parts, size, folder, seed, say)
    questions: dict[str, Any] = {
        "mixed": lambda: steps.beats_random(proof, "mixed"),
        "clean": lambda: steps.beats_random(proof, "clean"),
        "designs": lambda: steps.worth_of_designs(proof),
        "defects": lambda: steps.finds_defects(proof),
        "diversity": lambda: steps.diversity_adds(proof),
        "budgets": lambda: steps.over_budgets(proof),
        "transfer": lambda: steps.helps_elsewhere(proof),
    }
    wanted = only.split(",") if only else [n for n in questions if quick or n not in EXTRA]
    docs = out or (folder / "docs" if quick else ROOT / "docs")
    results: dict[str, Any] = {}
    minutes = _minutes(folder)
    for name, ask in questions.items():
        kept = docs / "proof" / f"{name}.json"
        if name in wanted:
            begun = time.time()
            results[name] = finite(_without_plots(docs, name, ask()))
            minutes[name] = minutes.get(name, 0.0) + (time.time() - begun) / 60
            _write(kept, plain_json(results[name]))
            _write(folder / "minutes.json", json.dumps(minutes, indent=1) + "\n")
            told = _minutes(docs / "proof") | minutes  # what only some are asked of keeps the rest
            _write(docs / "proof" / "minutes.json", json.dumps(told, indent=1) + "\n")
        elif kept.is_file():
            results[name] = json.loads(kept.read_text("utf-8"))
    truths = proof.parts.truth
    pool_ids = [r["id"] for r in json.loads(parts.pool.read_text("utf-8"))]
    results["about"] = {
        "command": f"python -m benchmarks.proof{' --quick' if quick else ''}"
        + (f" --seed {seed}" if seed else ""),
        "minutes": sum(_minutes(docs / "proof").get(name, 0.0) for name in results),
        "cores": os.cpu_count(),
        "version": __version__,
        "date": datetime.now(UTC).date().isoformat(),
        "size": dataclasses.asdict(size),
        "pool": len(pool_ids),
        "defects": sum(truths[id_].bad for id_ in pool_ids),
        "clean": len(json.loads(parts.clean.read_text("utf-8"))),
    }
    _write(docs / "proof" / "about.json", plain_json(results["about"]))
    _write(docs / "proof.md", page(results))
    say(f"written: {docs / 'proof.md'}")


def _minutes(folder: Path) -> dict[str, float]:
    """What each question took so far: they stand beside the trainings that need not be repeated."""
    kept = folder / "minutes.json"
    return json.loads(kept.read_text("utf-8")) if kept.is_file() else {}


def _without_plots(docs: Path, name: str, found: dict[str, Any]) -> dict[str, Any]:
    """Plots go beside the figures, as files."""
    for plot, svg in found.get("plots", {}).items():
        _write(docs / "proof" / f"{name}_{plot}.svg", svg)
    return found | ({"plots": sorted(found["plots"])} if "plots" in found else {})


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial")
    temporary.write_text(text, "utf-8")
    temporary.replace(path)


if __name__ == "__main__":
    typer.run(main)
