"""What the benchmarks share: the demo pool, a result file."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def demo_pool() -> Path:
    """The demo pool's annotation file, or stop with what to type."""
    path = Path(os.environ.get("PICKWELL_DEMO", ROOT / ".demo")) / "pool" / "pool.json"
    if not path.is_file():
        sys.exit("The demo pool is not built: type `make demo-data`.")
    return path


def picture_samples(count: int) -> list[Any]:
    """The first ``count`` samples of the demo pool that have one readable image and a response."""
    from data_cards.images import ImageLimits, decode, read_bytes
    from data_cards.source import open_source

    def readable() -> Any:
        seen = set()
        for sample in open_source(demo_pool()).samples():
            if sample.error or not sample.response or len(sample.images) != 1:
                continue
            ref = sample.images[0]
            if ref.error or ref.name in seen:
                continue
            try:
                decode(read_bytes(ref, ImageLimits().max_bytes), ref.name)
            except Exception:
                continue
            seen.add(ref.name)
            yield sample

    return list(islice(readable(), count))


def record(name: str, figures: Mapping[str, Any]) -> None:
    """Print the figures and write them to ``benchmarks/results/NAME.json``."""
    content = {
        "command": f"python -m benchmarks.{name}",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **figures,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n")
    print(json.dumps(content, indent=2))
