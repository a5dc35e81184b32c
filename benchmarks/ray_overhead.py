"""Ray over the local engine on one machine, and a cost model held against two sizes.

The same pairs are scored by both, all default metrics, empty caches, in turn; starting the cluster
and putting the run together count. The model is ``start + pairs x seconds``, fitted on the stages
that the smaller job reports, and must foretell the larger one.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.common import demo_pool, record

SIZES = (300, 900)
REQUIRED = 1.3


def main() -> None:
    """Both engines at both sizes."""
    import pickwell

    figures: dict[str, Any] = {"ratio_required": REQUIRED, "sizes": {}}
    with tempfile.TemporaryDirectory() as home:
        for number, size in enumerate(SIZES):
            found: dict[str, Any] = {}
            for engine in ("local", "ray"):
                out = Path(home) / f"{engine}-{number}"
                began = time.perf_counter()
                run = pickwell.score(
                    demo_pool(), out, cache=Path(home) / f"cache-{engine}-{number}", limit=size,
                    engine=engine,
                )  # fmt: skip
                found[engine] = time.perf_counter() - began
                told = json.loads((run.folder / "run.json").read_text("utf-8"))
                found[f"{engine}_stages"] = told["seconds_by_stage"]
            found["ratio"] = found["ray"] / found["local"]
            figures["sizes"][str(size)] = found
    small, large = (figures["sizes"][str(size)] for size in SIZES)
    per_pair = (large["ray"] - small["ray"]) / (SIZES[1] - SIZES[0])
    work = sum(small["ray_stages"].values()) / SIZES[0]
    start = small["ray"] - SIZES[0] * work
    foretold = start + SIZES[1] * work
    figures["model"] = {
        "start_seconds": start,
        "seconds_per_pair_by_stages": work,
        "seconds_per_pair_by_difference": per_pair,
        "foretold_larger": foretold,
        "measured_larger": large["ray"],
        "off_by": foretold / large["ray"] - 1,
    }
    figures["cpus"] = os.cpu_count()
    record("ray_overhead", figures)


if __name__ == "__main__":
    main()
