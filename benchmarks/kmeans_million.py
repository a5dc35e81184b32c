"""k-means of 1,000,000 x 512 float16 rows on disk into 1,000 prototypes: seconds and memory.

    python benchmarks/kmeans_million.py --faiss PYTHON

Makes a seeded file of clustered unit rows, then measures, each in a process of its own: ours over
the first 1/10, 3/10 and all of it (from the same number of given starts, a fixed number of
iterations), the bare float32 matrix product of the same shape, and faiss-cpu's ``Kmeans``
(spherical) from the same starts for as many iterations, its rows in memory as float32. Rounds are
taken in turn, so that a busy machine hits all alike; the smallest of each is compared. faiss-cpu is
no dependency of pickwell: ``--faiss`` names a Python that has it, such as that of

    python3 -m venv FOLDER && FOLDER/bin/pip install faiss-cpu

Without it everything else is measured and the comparison is said to be absent. Peak memory is the
resident set of the process, the touched pages of the memory map included; that of faiss also counts
the float32 copy of the rows and a temporary of its size that this benchmark makes. Writes
``benchmarks/results/kmeans_million.json``, or a file beside it where that has the comparison and
this run has not; exit code 1 if a limit is missed. What was not measured is not held.
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
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
LIMITS = {"peak_rss_gb": 3.0, "over_faiss": 1.2, "objective_over_faiss": 1.005,
          "over_product": 1.5, "slope_spread": 1.25}  # fmt: skip
CHUNK = 20_000
BLOCK = 4096


def make_rows(path: Path, rows: int, dim: int, seed: int) -> None:
    """Write unit rows around twice as many centres as are looked for, sizes unequal."""
    rng = np.random.default_rng(seed)
    count = max(8, min(2000, rows // 50))
    centres = rng.standard_normal((count, dim)).astype(np.float32)
    shares = rng.dirichlet(np.full(count, 2.0))
    matrix = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(rows, dim))
    for start in range(0, rows, CHUNK):
        size = min(CHUNK, rows - start)
        x = centres[rng.choice(count, size, p=shares)]
        x += 1.2 * rng.standard_normal((size, dim), dtype=np.float32)
        matrix[start : start + size] = x / np.linalg.norm(x, axis=1, keepdims=True)
    matrix.flush()


def starts(matrix: np.ndarray, count: int) -> np.ndarray:
    """The same starting rows for everybody: evenly spaced ones of the file, length 1."""
    x = matrix[np.linspace(0, len(matrix) - 1, count).astype(np.int64)].astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def mean_distance(matrix: np.ndarray, centres: np.ndarray) -> float:
    """Mean over rows of 1 - cosine to the nearest centre: one measure for both contestants."""
    centres = centres / np.linalg.norm(centres, axis=1, keepdims=True)
    total = 0.0
    for start in range(0, len(matrix), BLOCK):
        x = matrix[start : start + BLOCK].astype(np.float32)
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        total += float((1.0 - (x @ centres.T).max(axis=1)).sum(dtype=np.float64))
    return total / len(matrix)


def measure_ours(matrix: np.ndarray, options: argparse.Namespace) -> dict[str, Any]:
    """Time a fixed number of iterations; the final pass that labels every row is told apart."""
    from selector.prune.kmeans import run_kmeans
    from selector.prune.streams import Rows, one_thread_each

    begin = starts(matrix, options.count)
    over = Rows(matrix, threads=options.threads)
    ends: list[float] = []
    with one_thread_each():
        began = time.perf_counter()
        run = run_kmeans(
            over, options.count, start=begin, iterations=options.iterations, tolerance=None,
            on_progress=lambda *_: ends.append(time.perf_counter()),
        )  # fmt: skip
        trained = time.perf_counter()
        over.nearest(run.centres)
        labelled = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {
        "seconds_iterations": trained - began,
        "seconds_first_iteration": ends[0] - began,
        "seconds_labels_and_distances": labelled - trained,
        "iterations": len(run.history),
        "moved": run.moved,
        "peak_rss_gb": peak,
        "mean_distance": mean_distance(matrix, run.centres),
    }


def measure_product(matrix: np.ndarray, options: argparse.Namespace) -> dict[str, Any]:
    """The bare matrix product of one iteration: float32 rows that are there already."""
    centres = starts(matrix, options.count)
    block = matrix[:BLOCK].astype(np.float32)
    out = np.empty((len(block), options.count), dtype=np.float32)
    np.matmul(block, centres.T, out=out)
    began = time.perf_counter()
    for start in range(0, len(matrix), BLOCK):
        size = min(BLOCK, len(matrix) - start, len(block))
        np.matmul(block[:size], centres.T, out=out[:size])
    return {"seconds_product": time.perf_counter() - began}


def measure_faiss(matrix: np.ndarray, options: argparse.Namespace) -> dict[str, Any]:
    """faiss-cpu from the same starts; turning the file into float32 is not counted."""
    import faiss  # type: ignore[import-not-found]

    faiss.omp_set_num_threads(options.threads)
    x = matrix.astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    means = faiss.Kmeans(
        x.shape[1], options.count, niter=options.iterations, spherical=True, seed=1,
        max_points_per_centroid=len(x), min_points_per_centroid=1,
    )  # fmt: skip
    began = time.perf_counter()
    means.train(x, init_centroids=starts(matrix, options.count))
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {
        "seconds_faiss": seconds,
        "faiss_version": faiss.__version__,
        "faiss_peak_rss_gb": peak,
        "mean_distance": mean_distance(matrix, means.centroids),
    }


MEASURES = {"ours": measure_ours, "product": measure_product, "faiss": measure_faiss}


def in_a_process(what: str, rows: int, path: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Measure in a process of its own, so that memory is its own."""
    python = options.faiss if what == "faiss" else sys.executable
    command = [
        python, __file__, "--measure", what, "--file", str(path), "--rows", str(rows),
        "--count", str(options.count), "--iterations", str(options.iterations),
        "--threads", str(options.threads),
    ]  # fmt: skip
    threads = str(options.threads)
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
    }  # fmt: skip
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return dict(json.loads(done.stdout))


def smallest(rounds: list[dict[str, Any]], name: str) -> float:
    """The least of several measurements: what other jobs do can only add."""
    return min(float(one[name]) for one in rounds)


def compare(path: Path, options: argparse.Namespace) -> dict[str, Any]:
    """All measurements, in turn, and their ratios."""
    sizes = [options.rows // 10, 3 * options.rows // 10, options.rows]
    kinds = ["product", "ours", *(["faiss"] if options.faiss else [])]
    taken: dict[str, list[dict[str, Any]]] = {kind: [] for kind in kinds}
    by_size: dict[int, list[dict[str, Any]]] = {size: [] for size in sizes[:-1]}
    for number in range(options.rounds):
        for kind in kinds:
            taken[kind].append(in_a_process(kind, options.rows, path, options))
            print(f"round {number + 1}: {kind} {taken[kind][-1]}", file=sys.stderr, flush=True)
        for size in sizes[:-1]:
            by_size[size].append(in_a_process("ours", size, path, options))
    by_size[sizes[-1]] = taken["ours"]
    seconds = smallest(taken["ours"], "seconds_iterations")
    each = {size: smallest(by_size[size], "seconds_iterations") / size for size in sizes}
    ours = taken["ours"][0]
    result: dict[str, Any] = {
        "seconds_iterations": round(seconds, 3),
        "seconds_per_iteration": round(seconds / options.iterations, 3),
        "seconds_labels_and_distances": round(
            smallest(taken["ours"], "seconds_labels_and_distances"), 3
        ),
        "mean_distance": ours["mean_distance"],
        "moved": ours["moved"],
        "peak_rss_gb": round(max(one["peak_rss_gb"] for one in taken["ours"]), 3),
        "seconds_product": round(smallest(taken["product"], "seconds_product"), 3),
        "microseconds_per_row": {str(size): round(1e6 * cost, 2) for size, cost in each.items()},
        "slope_spread": round(max(each.values()) / min(each.values()), 3),
    }
    product = smallest(taken["product"], "seconds_product")
    result["over_product"] = round(seconds / options.iterations / product, 3)
    if options.faiss:
        faiss = taken["faiss"][0]
        least = smallest(taken["faiss"], "seconds_faiss")
        result |= {
            "faiss_version": faiss["faiss_version"],
            "seconds_faiss": round(least, 3),
            "faiss_peak_rss_gb": round(faiss["faiss_peak_rss_gb"], 3),
            "faiss_mean_distance": faiss["mean_distance"],
            "over_faiss": round(seconds / least, 3),
            "objective_over_faiss": round(ours["mean_distance"] / faiss["mean_distance"], 5),
        }
    else:
        result["faiss"] = "absent: no --faiss PYTHON was given, so nothing was compared"
    return result


def judged(measured: dict[str, Any]) -> dict[str, Any]:
    """Which limits were missed and which were not measured; only all of them met is held."""
    missed = [n for n, limit in LIMITS.items() if n in measured and not measured[n] <= limit]
    absent = [name for name in LIMITS if name not in measured]
    return {"missed": missed, "not_measured": absent, "held": not missed and not absent}


def place_for(out: Path, measured: dict[str, Any]) -> Path:
    """Where the result goes: beside ``out`` where that has the comparison and this has not."""
    if "over_faiss" in measured or not out.is_file():
        return out
    if "over_faiss" not in json.loads(out.read_text("utf-8")):
        return out
    return out.with_stem(f"{out.stem}_without_faiss")


def main() -> int:
    """Make the rows, measure, write the result."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--faiss", help="A Python that has faiss-cpu.")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/kmeans_million.json")
    parser.add_argument("--measure", choices=MEASURES, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        matrix = np.load(options.file, mmap_mode="r")[: options.rows]
        print(json.dumps(MEASURES[options.measure](matrix, options)))
        return 0
    with tempfile.TemporaryDirectory(prefix="pickwell-kmeans-") as name:
        path = Path(name) / "rows.npy"
        make_rows(path, options.rows, options.dim, options.seed)
        measured = compare(path, options)
    result = {
        "command": f"python benchmarks/kmeans_million.py --rows {options.rows} --dim {options.dim} "
        f"--count {options.count} --iterations {options.iterations} --seed {options.seed}"
        + (" --faiss PYTHON" if options.faiss else ""),
        "rows": options.rows,
        "dim": options.dim,
        "prototypes": options.count,
        "iterations": options.iterations,
        "rounds": options.rounds,
        "threads": options.threads,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **measured,
        "limits": LIMITS,
        **judged(measured),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    place = place_for(options.out, measured)
    place.write_text(json.dumps(result, indent=2) + "\n", "utf-8")
    print(json.dumps(result, indent=2))
    print(f"written to {place}", file=sys.stderr)
    return 1 if result["missed"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
