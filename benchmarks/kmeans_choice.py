"""Which k-means? Ours beside scikit-learn's and a plain one in torch, from the same starts.

    python -m benchmarks.kmeans_choice

200,000 x 512 float16 rows on disk, 1,000 prototypes, ten iterations, each contestant in a process
of its own: seconds (for scikit-learn and torch without turning the file into float32, which they
need), peak memory, and the mean distance that they come to. faiss-cpu, which is no dependency, is
beside ours in ``benchmarks/kmeans_million.py``. Writes ``benchmarks/results/kmeans_choice.json``.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import record
from benchmarks.kmeans_million import make_rows, mean_distance, starts

ROWS, DIM, COUNT, ITERATIONS = 200_000, 512, 1000, 10
CONTESTANTS = ("ours", "scikit-learn", "torch")


def ours(matrix: np.ndarray) -> tuple[float, np.ndarray]:
    """Over the mapped file, in blocks."""
    from selector.prune.kmeans import run_kmeans
    from selector.prune.streams import Rows, one_thread_each

    begin = starts(matrix, COUNT)
    began = time.perf_counter()
    with one_thread_each():
        run = run_kmeans(Rows(matrix), COUNT, start=begin, iterations=ITERATIONS, tolerance=None)
    return time.perf_counter() - began, run.centres


def unit_rows(matrix: np.ndarray) -> np.ndarray:
    """All rows in memory as float32, length 1, a block at a time."""
    rows = np.empty(matrix.shape, np.float32)
    for start in range(0, len(rows), 20_000):
        block = matrix[start : start + 20_000].astype(np.float32)
        rows[start : start + 20_000] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return rows


def scikit_learn(matrix: np.ndarray) -> tuple[float, np.ndarray]:
    """Lloyd's algorithm on unit rows: Euclidean, so that its centres are not on the sphere."""
    from sklearn.cluster import KMeans

    rows = unit_rows(matrix)
    means = KMeans(
        COUNT, init=starts(matrix, COUNT), n_init=1, max_iter=ITERATIONS, tol=0.0,
        algorithm="lloyd",
    )  # fmt: skip
    began = time.perf_counter()
    means.fit(rows)
    return time.perf_counter() - began, means.cluster_centers_


def torch_plain(matrix: np.ndarray) -> tuple[float, np.ndarray]:
    """A product, a maximum and a sum by index, in blocks of 4,096 rows."""
    import torch

    rows = torch.from_numpy(unit_rows(matrix))
    centres = torch.from_numpy(starts(matrix, COUNT))
    began = time.perf_counter()
    for _ in range(ITERATIONS):
        sums = torch.zeros_like(centres)
        for block in rows.split(4096):
            sums.index_add_(0, (block @ centres.T).argmax(dim=1), block)
        length = sums.norm(dim=1, keepdim=True)
        centres = torch.where(length > 0, sums / length, centres)
    return time.perf_counter() - began, centres.numpy()


WORK = {"ours": ours, "scikit-learn": scikit_learn, "torch": torch_plain}


def one(name: str, path: Path) -> dict[str, Any]:
    """Measure one contestant in this process."""
    matrix = np.load(path, mmap_mode="r")
    seconds, centres = WORK[name](matrix)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {
        "seconds": seconds,
        "seconds_per_iteration": seconds / ITERATIONS,
        "peak_rss_gb": peak,
        "mean_distance": mean_distance(matrix, centres.astype(np.float32)),
    }


def main() -> None:
    """Each twice, in turn; the faster is told."""
    if len(sys.argv) > 2:
        print(json.dumps(one(sys.argv[1], Path(sys.argv[2]))))
        return
    with tempfile.TemporaryDirectory(prefix="pickwell-kmeans-") as scratch:
        path = Path(scratch) / "rows.npy"
        make_rows(path, ROWS, DIM, seed=0)
        taken: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTESTANTS}
        for _ in range(2):
            for name in CONTESTANTS:
                words = [sys.executable, "-m", "benchmarks.kmeans_choice", name, str(path)]
                done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
                taken[name].append(json.loads(done.stdout.splitlines()[-1]))
                print(name, taken[name][-1], file=sys.stderr, flush=True)
    best = {name: min(found, key=lambda f: f["seconds"]) for name, found in taken.items()}
    least = best["ours"]["seconds"]
    record(
        "kmeans_choice",
        {
            "rows": ROWS, "dim": DIM, "prototypes": COUNT, "iterations": ITERATIONS,
            "cores": os.cpu_count(), "contestants": best,
            "over_ours": {name: found["seconds"] / least for name, found in best.items()},
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
