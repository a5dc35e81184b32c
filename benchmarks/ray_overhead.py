"""Ray over the local engine on one machine, and a cost model held against sizes it was not made of.

Each job is a process of its own, as a user starts it: imports, starting the cluster and putting the
run together count; caches are empty. Two jobs: ``pairs`` (``score`` with all default metrics on the
demo pool) and ``pictures`` (``prune`` on the pictures of the demo, no probes). The model of
Ray is ``start + rows x seconds``, fitted to the first and third size; it must foretell the others.
What is done in one place is timed apart: reading the records, putting shards together, and what
``prune`` does with all vectors.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.common import demo_pool, record

SIZES = {"pairs": (512, 1024, 1536, 2048), "pictures": (1500, 3000, 4500, 9000)}
"""The first and the third make the model, the others test it; the last is run by both engines.
Each is a whole number of shards of 256, near enough, for each of two workers."""
REQUIRED = 1.3


def main() -> None:
    """Both jobs at every size on Ray, at the largest also locally."""
    if len(sys.argv) > 1:
        print(json.dumps(one(*sys.argv[1:])))
        return
    figures: dict[str, Any] = {"ratio_required": REQUIRED, "reader": reader(), "jobs": {}}
    for job, sizes in SIZES.items():
        ray = {size: apart(job, "ray", size) for size in sizes}
        local = apart(job, "local", sizes[-1])
        figures["jobs"][job] = {
            "ray": {str(size): found for size, found in ray.items()},
            "local": local,
            "rows": sizes[-1],
            "ratio": ray[sizes[-1]]["seconds"] / local["seconds"],
            "model": model({size: found["seconds"] for size, found in ray.items()}),
        }
        record("ray_overhead", figures)


def apart(job: str, engine: str, size: int) -> dict[str, Any]:
    """One job in a process of its own."""
    with tempfile.TemporaryDirectory() as home:
        began = time.perf_counter()
        words = [sys.executable, "-m", "benchmarks.ray_overhead", job, engine, str(size), home]
        done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
        seconds = time.perf_counter() - began
    print(f"{job} {engine} {size}: {seconds:.1f} s", file=sys.stderr, flush=True)
    return {"seconds": seconds, **json.loads(done.stdout.splitlines()[-1])}


def one(job: str, engine: str, size: str, home: str) -> dict[str, Any]:
    """Do it, and tell how long each stage took by the progress that was heard."""
    import pickwell

    ends: dict[str, float] = {}
    begins: dict[str, float] = {}
    last = time.perf_counter()

    def hear(stage: str, done: int, total: int | None) -> None:
        nonlocal last
        now = time.perf_counter()
        begins.setdefault(stage, last)
        ends[stage] = last = now

    given: dict[str, Any] = {
        "cache": Path(home) / "cache", "limit": int(size), "engine": engine, "on_progress": hear
    }  # fmt: skip
    out = Path(home) / "out"
    if job == "pairs":
        pickwell.score(demo_pool(), out, **given)
    else:
        pickwell.prune(pictures(), out, keep=0.7, strategy="hard", robust=False, **given)
    return {"stages": {stage: ends[stage] - begins[stage] for stage in ends}}


def model(measured: dict[int, float]) -> dict[str, Any]:
    """``start + rows x seconds`` through the first and third size, beside the others."""
    first, _, third, _ = measured
    each = (measured[third] - measured[first]) / (third - first)
    start = measured[first] - first * each
    return {
        "start_seconds": start,
        "seconds_per_row": each,
        "held_against": {
            str(size): {
                "foretold": start + size * each,
                "measured": seconds,
                "off_by": (start + size * each) / seconds - 1,
            }
            for size, seconds in measured.items()
            if size not in (first, third)
        },
    }


def reader() -> dict[str, Any]:
    """Records a second of the one reader, packed for the workers."""
    from data_cards.source import open_source
    from scoring.cluster.parts import packed

    found = {}
    for name, path in (("pairs", demo_pool()), ("pictures", pictures())):
        began = time.perf_counter()
        samples = list(open_source(path, pictures=name == "pictures").samples())
        for start in range(0, len(samples), 256):
            packed(samples[start : start + 256])
        found[name] = {"records": len(samples), "seconds": time.perf_counter() - began}
    return found


def pictures() -> Path:
    """The demo's corpus of pictures, listed if it is not."""
    from pickwell.demo_job import build_pictures

    return build_pictures(demo_pool().parents[1], None, lambda line: None)


if __name__ == "__main__":
    main()
