"""Run all benchmarks, or those named: ``python -m benchmarks [NAME ...]``."""

from __future__ import annotations

import subprocess
import sys

NAMES = (
    "embedded_speed",
    "engine_overhead",
    "memory_flat",
    "select_million",
    "kmeans_choice",
    "kmeans_million",
    "cached_features",
    "open_clip_speed",
    "model_costs",
    "ray_overhead",
)


def main() -> None:
    """Each in a process of its own, so that none warms another's caches."""
    names = sys.argv[1:] or NAMES
    unknown = set(names) - set(NAMES)
    if unknown:
        sys.exit(f"There is no benchmark {', '.join(sorted(unknown))}; there are {NAMES}.")
    for name in names:
        print(f"== {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)


if __name__ == "__main__":
    main()
