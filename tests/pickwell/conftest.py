"""A small hand-made data set, and the command as a person types it."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageDraw

ROOT = Path(__file__).parents[2]


def draw(path: Path, seed: int, size: tuple[int, int] = (96, 80)) -> Path:
    """A picture with some content: coloured shapes, different for each seed."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", size, tuple(int(v) for v in rng.integers(0, 256, 3)))
    brush = ImageDraw.Draw(image)
    for _ in range(6):
        x, y, w, h = (int(v) for v in rng.integers(5, 45, 4))
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        (brush.ellipse if rng.random() < 0.5 else brush.rectangle)((x, y, x + w, y + h), colour)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


COLOURS = ("red", "green", "blue", "yellow", "purple", "orange", "brown", "pink", "grey", "black")
THINGS = (
    "circle",
    "box",
    "ball",
    "shape",
    "figure",
    "pattern",
    "drawing",
    "picture",
    "tile",
    "sign",
)


def record(number: int, image: str | None, response: str | None = None) -> dict:
    """A LLaVA record, with a field of its own that must survive."""
    text = response
    if text is None:
        text = f"A {COLOURS[number % 10]} {THINGS[number // 10 % 10]} beside number {number}."
    question = "Describe the picture."
    made = {
        "id": f"p{number}",
        "conversations": [
            {"from": "human", "value": f"<image>\n{question}" if image else question},
            {"from": "gpt", "value": text},
        ],
        "mine": {"keep": ["me", number]},
    }
    if image:
        made["image"] = image
    return made


@pytest.fixture
def llava(tmp_path: Path) -> Path:
    """A LLaVA JSONL file of 60 good pairs with its images, made by hand."""
    lines = []
    for number in range(60):
        draw(tmp_path / "data" / "images" / f"{number}.png", number)
        lines.append(json.dumps(record(number, f"images/{number}.png")))
    path = tmp_path / "data" / "pairs.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """A tiny random LLaVA folder."""
    place = ROOT / "tests" / "finetune" / "conftest.py"
    spec = importlib.util.spec_from_file_location("tiny_families", place)
    families = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(families)
    folder = tmp_path_factory.mktemp("tiny") / "llava"
    processor = families.make_processor("llava")
    families.make_model("llava", processor).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture
def held_out(tmp_path: Path) -> Path:
    """Twelve more pairs on other pictures; their answers hold a marker that stands nowhere else."""
    lines = []
    for number in range(100, 112):
        draw(tmp_path / "held" / "images" / f"{number}.png", number)
        said = f"MARKER-4711 a {COLOURS[number % 10]} thing."
        lines.append(json.dumps(record(number, f"images/{number}.png", said)))
    path = tmp_path / "held" / "target.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def pickwell(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the real command in a process of its own, with a cache of its own."""

    def run(*words: object, timeout: float = 240, **extra: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "PICKWELL_CACHE": str(tmp_path / "cache"),
            "COLUMNS": "200",
            **extra,
        }
        return subprocess.run(
            [sys.executable, "-m", "pickwell", *map(str, words)],
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def pickwell_here(tmp_path: Path, monkeypatch, capsys) -> Callable[..., SimpleNamespace]:
    """The same command in this process: quicker, for what needs no process of its own."""
    from pickwell.__main__ import main

    monkeypatch.setenv("PICKWELL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> SimpleNamespace:
        monkeypatch.setattr(sys, "argv", ["pickwell", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
            sys.exit(0)
        captured = capsys.readouterr()
        code = end.value.code or 0
        return SimpleNamespace(returncode=code, stdout=captured.out, stderr=captured.err)

    return run


@pytest.fixture(scope="session")
def plain(tmp_path_factory) -> SimpleNamespace:
    """Thirty pairs scored without a model, twelve of them chosen; and twelve new pairs, all kinds.

    Read only: ``home`` with ``run``, ``chosen`` and ``new.jsonl``; ``cache``; ``record``, ``draw``.
    """
    from pickwell.scoring_job import score
    from pickwell.selection_job import select

    home = tmp_path_factory.mktemp("plain")
    for number in range(44):
        draw(home / "images" / f"{number}.png", number)
    (home / "images" / "torn.png").write_bytes((home / "images" / "1.png").read_bytes()[:200])
    records = [record(n, f"images/{n}.png") for n in range(30)]
    new = [record(n, f"images/{n}.png") for n in range(30, 38)]
    new.append(record(38, None))
    new.append(record(39, "images/39.png", "again " * 60))  # below a floor
    new.append(record(40, "images/torn.png"))
    new.append(records[3])  # one of the reference's own
    for name, rows in (("pairs", records), ("new", new)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (home / f"{name}.jsonl").write_text(text)
    metrics = ["length", "repetition", "boilerplate", "length_release", "image_quality"]
    cache = home / "cache"
    score(home / "pairs.jsonl", home / "run", models="none", metrics=metrics, cache=cache)
    select(home / "run", home / "chosen", budget=12)
    return SimpleNamespace(
        home=home, run=home / "run", chosen=home / "chosen", new=home / "new.jsonl", cache=cache,
        record=record, draw=draw,
    )  # fmt: skip
