"""Memory while scoring 1,000 and 20,000 rows: it must not grow with the pool.

Rows are made by repeating the demo pool's pictures under new responses, every row with an image;
each size runs in a process of its own, which reports its peak resident memory.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.common import picture_samples, record

SIZES = (1_000, 20_000)


def main() -> None:
    """One process per size; the ratio of their peaks."""
    peaks = {}
    for size in SIZES:
        command = [sys.executable, "-m", "benchmarks.memory_flat", str(size)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        peaks[size] = json.loads(done.stdout.splitlines()[-1])
    small, large = (peaks[size]["peak_mb"] for size in SIZES)
    record(
        "memory_flat",
        {
            "peak_mb": {str(size): peaks[size]["peak_mb"] for size in SIZES},
            "rows_per_second": {str(size): peaks[size]["rows_per_second"] for size in SIZES},
            "ratio": round(large / small, 3),
        },
    )


def _measure(size: int) -> None:
    from dataclasses import replace

    from data_cards.sample import Turn
    from scoring.engine import EngineOptions, make_metrics, score
    from scoring.models import models_from_spec

    base = picture_samples(500)

    def stream() -> Any:
        for number in range(size):
            sample = base[number % len(base)]
            turns = (*sample.turns[:-1], Turn("assistant", f"{sample.response} ({number})"))
            yield replace(sample, id=f"row-{number}", turns=turns, row=number)

    models = models_from_spec("embedded")
    names = ["alignment", "repetition", "boilerplate", "image_quality", "embedding", "diversity"]
    with tempfile.TemporaryDirectory() as folder:
        run = score(
            stream(),
            Path(folder) / "run",
            make_metrics(models, names),
            models,
            EngineOptions(Path(folder) / "cache"),
        )
        seconds = run.manifest["seconds"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"peak_mb": round(peak), "rows_per_second": round(size / seconds, 1)}))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _measure(int(sys.argv[1]))
    else:
        main()
