"""A driver in a process of its own, to be killed: says a line for each finished shard."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

from scoring.cluster import ClusterOptions, map_on_ray
from scoring.engine import EngineOptions, score
from tests.scoring.cluster.encoders import make
from tests.scoring.cluster.pool import SHARD, read_pool


def run(pool, folder, address, seconds, on_shard=lambda row: None, log=None, **options):
    """Score the pool on a cluster."""
    home = folder.parent
    engine = EngineOptions(home / "cache", shard_rows=SHARD, workers=1)
    made = partial(make, log or home / "log", seconds)
    mapping = map_on_ray(
        partial(read_pool, pool),
        made,
        engine,
        ClusterOptions(address, worker_cpus=1, **options),
        seen={"the data": pool},
        identity=[str(pool)],
        on_shard=on_shard,
    )
    metrics, models = made()
    return score((), folder, metrics, models, engine, mapping=mapping)


if __name__ == "__main__":
    run(
        Path(sys.argv[1]),
        Path(sys.argv[2]),
        sys.argv[3],
        float(sys.argv[4]),
        lambda row: print(json.dumps(row), flush=True),
    )
