"""A real cluster of several nodes on this machine: what is killed, added or resumed."""

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from data_cards import BadInputError
from scoring.cluster import ClusterOptions
from scoring.engine import EngineOptions, score
from scoring.metric import Models
from tests.conftest import ROOT
from tests.scoring.cluster.driver import run
from tests.scoring.cluster.encoders import make
from tests.scoring.cluster.pool import ROWS, SHARD, read_pool, write_pool

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]
SHARDS = ROWS // SHARD
FILES = ("samples.parquet", "scores.parquet", "thumbnails.parquet")


@pytest.fixture(scope="module")
def pool(tmp_path_factory) -> Path:
    return write_pool(tmp_path_factory.mktemp("pool"))


@pytest.fixture(scope="module")
def here(pool, tmp_path_factory) -> Path:
    """The same pool, scored by the local engine with a cache of its own."""
    home = tmp_path_factory.mktemp("local")
    metrics, models = make(home / "log", 0.0)
    options = EngineOptions(home / "cache", shard_rows=SHARD, workers=1)
    return score(read_pool(pool), home / "run", metrics, models, options).folder


def same(one: Path, other: Path) -> None:
    """Every file of the run that holds results, byte for byte."""
    for name in FILES:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    for name in ("image", "text"):
        a, b = (np.load(f / "embeddings" / f"{name}.npy") for f in (one, other))
        assert a.tobytes() == b.tobytes()
    told = [json.loads((f / "run.json").read_text()) for f in (one, other)]
    for key in ("rows", "status", "metrics", "models"):
        assert told[0][key] == told[1][key]


def test_the_results_are_those_of_one_machine(ray_cluster, pool, here, tmp_path):
    heard = []
    made = run(pool, tmp_path / "run", ray_cluster.address, 0.3, heard.append)
    same(made.folder, here)
    assert sorted(r["number"] for r in heard if r["written"]) == list(range(SHARDS))
    # those that hold what another worker scored come a second time, when all others are through
    left = [row["number"] for row in heard if not row["written"]]
    assert len(left) == len(set(left))
    assert [row["number"] for row in heard[SHARDS:]] == left
    assert len({row["node"] for row in heard}) == 2  # both nodes worked
    assert not list((tmp_path / "cache" / "shards").iterdir())
    assert made.manifest["computed"]["length"] == 53  # each content once


def test_a_killed_worker_costs_nothing(ray_cluster, pool, here, tmp_path):
    killed = []

    def kill(row):
        if not killed:
            killed.append(row["pid"])
            os.kill(row["pid"], signal.SIGKILL)

    made = run(pool, tmp_path / "run", ray_cluster.address, 0.1, kill)
    assert killed
    same(made.folder, here)


def test_a_lost_node_costs_nothing(ray_cluster, pool, here, tmp_path):
    extra = ray_cluster.add_node(num_cpus=1, object_store_memory=100_000_000)
    ray_cluster.wait_for_nodes()
    heard = []

    def lose(row):
        heard.append(row)
        if len(heard) == 4:
            ray_cluster.remove_node(extra, allow_graceful=False)

    try:
        made = run(pool, tmp_path / "run", ray_cluster.address, 0.2, lose)
    finally:
        if len(heard) < 4:
            ray_cluster.remove_node(extra)
    assert len(heard) > 4
    same(made.folder, here)


def test_an_added_node_joins_in(ray_cluster, pool, here, tmp_path):
    added, heard = [], []

    def add(row):
        heard.append(row)
        if not added:
            added.append(ray_cluster.add_node(num_cpus=1, object_store_memory=100_000_000))

    try:
        made = run(pool, tmp_path / "run", ray_cluster.address, 6.0, add)  # Ray looks every 20 s
        assert added[0].node_id in {row["node"] for row in heard}
        same(made.folder, here)
    finally:
        for node in added:
            ray_cluster.remove_node(node)


def test_a_killed_driver_goes_on(ray_cluster, pool, here, tmp_path):
    command = [sys.executable, "-m", "tests.scoring.cluster.driver", str(pool)]
    command += [str(tmp_path / "run"), ray_cluster.address, "0.3"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    driver = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert driver.stdout is not None
    finished = {json.loads(driver.stdout.readline())["number"] for _ in range(4)}
    driver.kill()
    driver.wait()
    assert not (tmp_path / "run" / "run.json").exists()
    heard = []
    made = run(pool, tmp_path / "run", ray_cluster.address, 0.0, heard.append)
    again = {row["number"] for row in heard if row["fresh"]}
    assert len(finished) == 4 and not finished & again
    same(made.folder, here)


def test_part_of_a_gpu(ray_cluster, pool, here, tmp_path):
    """Ray counts GPUs that it is told of, so that two workers share one of them here."""
    node = ray_cluster.add_node(num_cpus=2, num_gpus=1, object_store_memory=100_000_000)
    ray_cluster.wait_for_nodes()
    heard = []
    try:
        made = run(pool, tmp_path / "run", ray_cluster.address, 0.2, heard.append, worker_gpus=0.5)
        assert {row["node"] for row in heard[:SHARDS]} == {node.node_id}
        assert len({row["pid"] for row in heard[:SHARDS]}) == 2
        same(made.folder, here)
    finally:
        ray_cluster.remove_node(node)


def test_what_a_worker_finds_wrong_is_told_as_it_is(ray_cluster, pool, tmp_path):
    def refuse(pool):
        raise BadInputError(f"{pool} is broken at row 7.", "Mend it.")

    from scoring.cluster import map_on_ray

    options = EngineOptions(tmp_path / "cache", shard_rows=SHARD)
    mapping = map_on_ray(
        partial(refuse, pool), _no_metrics, options, ClusterOptions(ray_cluster.address)
    )
    with pytest.raises(BadInputError, match="broken at row 7") as caught:
        score((), tmp_path / "run", [], Models("none"), options, mapping=mapping)
    assert caught.value.remedy == "Mend it."
    assert not (tmp_path / "run").exists()


def _no_metrics(workers):
    return [], Models("none")
