"""200 chosen from 1,000,000 rows of scores and 256-d embeddings on disk: seconds and memory.

    python benchmarks/select_million.py

Makes a seeded pool (synthetic clusters, float16 memory maps of images and responses, exact copies
and near-duplicates among them), chooses in a process of its own, and writes what that took to
``benchmarks/results/select_million.json``. Peak memory is the resident set of that process, the
pages of the memory maps that were touched included. Exit code 1 if a limit is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
LIMIT_SECONDS = 60.0
LIMIT_GB = 4.0
CENTRES = 40
CHUNK = 50_000


def make_pool(folder: Path, rows: int, dim: int, seed: int) -> None:
    """Write the pool: two matrices and the scores. 1 % exact copies, 1 % near-duplicates."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((CENTRES, dim)).astype(np.float32)
    member = rng.choice(CENTRES, rows, p=rng.dirichlet(np.full(CENTRES, 0.7)))
    for kind in ("image", "text"):
        matrix = np.lib.format.open_memmap(
            folder / f"{kind}.npy", mode="w+", dtype=np.float16, shape=(rows, dim)
        )
        for start in range(0, rows, CHUNK):
            block = member[start : start + CHUNK]
            x = centres[block] + rng.standard_normal((len(block), dim)).astype(np.float32)
            copies = len(block) // 100
            x[:copies] = x[copies : 2 * copies]
            x[2 * copies : 3 * copies] = x[copies : 2 * copies] + 0.05
            matrix[start : start + CHUNK] = x / np.linalg.norm(x, axis=1, keepdims=True)
        matrix.flush()
    content = np.arange(rows)
    for start in range(0, rows, CHUNK):
        copies = min(CHUNK, rows - start) // 100
        content[start : start + copies] = content[start + copies : start + 2 * copies]
    np.savez(
        folder / "scores.npz",
        quality=np.where(rng.random(rows) < 0.001, np.nan, rng.random(rows)),
        floored=rng.random(rows) < 0.05,
        failed=rng.random(rows) < 0.001,
        content=content,
    )


def choose(folder: Path, budget: int) -> dict[str, object]:
    """Choose from a pool on disk; run in a process of its own."""
    start = time.perf_counter()
    from selector.pick import select
    from selector.selection import Candidates

    imported = time.perf_counter()
    scores = np.load(folder / "scores.npz")
    failed, floored = scores["failed"], scores["floored"]
    refused = np.full(len(failed), None, dtype=object)
    refused[floored] = "the image is all but blank"
    refused[failed] = "image truncated"
    candidates = Candidates(
        ids=np.array([f"sample-{i}" for i in range(len(failed))], dtype=object),
        quality=scores["quality"],
        refused=refused,
        failed=failed,
        image_vectors=np.load(folder / "image.npy", mmap_mode="r"),
        text_vectors=np.load(folder / "text.npy", mmap_mode="r"),
        content=scores["content"],
    )
    ready = time.perf_counter()
    selection = select(candidates, budget)
    done = time.perf_counter()
    return {
        "seconds_import": round(imported - start, 2),
        "seconds_load": round(ready - imported, 2),
        "seconds_select": round(done - ready, 2),
        "seconds": round(done - start, 2),
        "seconds_cpu": round(time.process_time(), 2),
        "peak_rss_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 3),
        "funnel": selection.funnel(),
        "clusters": selection.parameters["clusters"],
        "table_rows": selection.table.num_rows,
        "table_mb": round(selection.table.nbytes / 2**20, 1),
    }


def main() -> int:
    """Make the pool, measure, write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--budget", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/select_million.json")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(choose(options.measure, options.budget)))
        return 0
    with tempfile.TemporaryDirectory(prefix="pickwell-million-") as name:
        make_pool(Path(name), options.rows, options.dim, options.seed)
        command = [sys.executable, __file__, "--measure", name, "--budget", str(options.budget)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        answer = subprocess.run(
            command, check=True, capture_output=True, text=True, env=environment
        )
    measured = json.loads(answer.stdout)
    held = measured["seconds"] < LIMIT_SECONDS and measured["peak_rss_gb"] < LIMIT_GB
    result = {
        "command": f"python benchmarks/select_million.py --rows {options.rows} --dim {options.dim} "
        f"--budget {options.budget} --seed {options.seed}",
        "rows": options.rows,
        "dim": options.dim,
        "modalities": ["image", "text"],
        "budget": options.budget,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **measured,
        "limit_seconds": LIMIT_SECONDS,
        "limit_gb": LIMIT_GB,
        "held": held,
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(json.dumps(result, indent=2))
    return 0 if held else 1


if __name__ == "__main__":
    raise SystemExit(main())
