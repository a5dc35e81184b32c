"""Small runs made by hand: vectors and texts with known structure, real pool metrics."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scoring.engine import make_metrics
from scoring.metric import Metric, Models
from scoring.pool import score_pool
from scoring.run import SAMPLES, Run
from scoring.store import content_key

POOL = ("embedding", "diversity", "margin", "boilerplate", "length_release", "map")


class World:
    """A pool that samples are drawn from: some groups, some without a vector, some bad."""

    def __init__(self, size: int = 60, dim: int = 12, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        centres = rng.standard_normal((4, dim))
        group = rng.integers(4, size=size)

        def unit() -> np.ndarray:
            x = centres[group] + 0.6 * rng.standard_normal((size, dim))
            return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16)

        self.ids = [f"w{i}" for i in range(size)]
        self.image, self.text = unit(), unit()
        self.image[3] = np.nan
        self.text[5] = np.nan
        self.responses = [f"It is a thing, number {i % 17}!" + "." * (i % 5) for i in range(size)]
        self.status = ["bad" if i % 19 == 7 else "ok" for i in range(size)]
        bad = [i for i, state in enumerate(self.status) if state == "bad"]
        self.image[bad] = self.text[bad] = np.nan


def write_rows(folder: Path, world: World, rows: Sequence[int], ids: list[str] | None = None):
    """What the engine leaves before the pool pass."""
    folder.mkdir(parents=True)
    names = ids or [world.ids[i] for i in rows]
    content = [content_key("What?", world.responses[i], bytes([i % 256])) for i in rows]
    status = [world.status[i] for i in rows]
    table = {
        "id": names,
        "row": list(range(len(rows))),
        "where": [f"w:{i}" for i in rows],
        "source": ["w"] * len(rows),
        "instruction": ["What?"] * len(rows),
        "response": [world.responses[i] for i in rows],
        "turns": [2] * len(rows),
        "image_names": [[f"{i}.png"] for i in rows],
        "image_keys": [[content_key(str(i))] for i in rows],
        "content": content,
        "status": status,
        "error": [None if s == "ok" else "torn" for s in status],
        "label": [None] * len(rows),
    }
    pq.write_table(pa.table(table, schema=SAMPLES), folder / "samples.parquet")
    good = [i if s == "ok" else None for i, s in zip(rows, status, strict=True)]
    scores = {
        "id": names,
        "agreement": pa.array([None if i is None else np.sin(i) for i in good], pa.float64()),
        "status": status,
        "error": table["error"],
        "notes": pa.array([None] * len(rows), pa.string()),
    }
    pq.write_table(pa.table(scores), folder / "scores.parquet")
    (folder / "embeddings").mkdir()
    np.save(folder / "embeddings" / "image.npy", world.image[list(rows)])
    np.save(folder / "embeddings" / "text.npy", world.text[list(rows)])


@pytest.fixture
def pool_metrics() -> list[Metric]:
    return make_metrics(Models("none"), list(POOL))


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def rows_written() -> Callable[..., None]:
    return write_rows


@pytest.fixture
def make_run(tmp_path: Path, pool_metrics) -> Callable[..., Run]:
    """A run scored for the first time."""

    def build(world: World, rows: Sequence[int], name: str = "run", ids=None) -> Run:
        folder = tmp_path / name
        write_rows(folder, world, rows, ids)
        score_pool(folder, pool_metrics, tmp_path / "cache", 0, lambda *_: None)
        manifest = {"format_version": 1, "seed": 0, "rows": len(rows), "models": {}}
        (folder / "run.json").write_text(json.dumps(manifest))
        return Run.open(folder)

    return build
