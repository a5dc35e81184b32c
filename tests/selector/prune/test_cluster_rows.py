"""k-means by the workers of a real Ray cluster: to the bit that of one machine."""

import os
import signal

import numpy as np
import pytest

from data_cards import BadInputError
from selector.prune.cluster_rows import ClusterRows
from selector.prune.prototypes import fit_prototypes
from selector.prune.streams import Rows

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(900, 12)).astype(np.float16)
    rows[5], rows[6], rows[7] = np.nan, 0, np.inf
    rows[100:110] = rows[100]
    path = tmp_path_factory.mktemp("rows") / "image.npy"
    np.save(path, rows)
    return path


@pytest.fixture
def connected(ray_cluster):
    import ray

    ray.init(address=ray_cluster.address, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.parametrize("part_rows", [None, 77, 900])
def test_every_pass_is_that_of_one_machine(connected, file, part_rows):
    matrix = np.load(file, mmap_mode="r")
    usable = np.arange(900) % 7 != 0
    here, there = Rows(matrix, usable), ClusterRows(file, usable, part_rows)
    assert len(there) == 900
    centres = matrix[20:29].astype(np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    a, b = here.sums(centres), there.sums(centres)
    assert np.array_equal(a.sums, b.sums) and np.array_equal(a.counts, b.counts)
    keys = np.random.default_rng(1).integers(2**63, size=900, dtype=np.uint64)
    for given in (None, keys):
        a, b = here.sample(50, 4, given), there.sample(50, 4, given)
        assert np.array_equal(a.keys, b.keys) and np.array_equal(a.rows, b.rows)
    for a, b in zip(here.nearest(centres), there.nearest(centres), strict=True):
        assert a.tobytes() == b.tobytes()


def test_prototypes_are_those_of_one_machine(connected, file):
    matrix = np.load(file, mmap_mode="r")
    usable = np.ones(900, bool)
    one = fit_prototypes(matrix, 13, usable=usable, seed=2)
    other = fit_prototypes(
        matrix, 13, usable=usable, seed=2, over=ClusterRows(file, usable, part_rows=101)
    )
    assert one.centres.tobytes() == other.centres.tobytes()
    assert one.labels.tobytes() == other.labels.tobytes()
    assert one.distance.tobytes() == other.distance.tobytes()
    assert one.history == other.history


def test_a_worker_killed_between_iterations_changes_nothing(connected, file):
    """Whoever adds up is killed, again and again; the prototypes are those of one machine."""
    import ray

    matrix = np.load(file, mmap_mode="r")
    usable = np.ones(900, bool)
    who = ray.remote(max_retries=-1)(lambda: os.getpid())
    killed = []

    def kill(stage, done, total):
        if len(killed) < 3:
            killed.append(ray.get(who.remote()))
            os.kill(killed[-1], signal.SIGKILL)

    one = fit_prototypes(matrix, 13, usable=usable, seed=2)
    other = fit_prototypes(
        matrix, 13, usable=usable, seed=2, over=ClusterRows(file, usable, part_rows=101),
        on_progress=kill,
    )  # fmt: skip
    assert len(killed) == 3
    assert one.centres.tobytes() == other.centres.tobytes()
    assert one.labels.tobytes() == other.labels.tobytes()


def test_many_parts_reach_the_driver_as_one(connected, file, monkeypatch):
    """Samples and sums are put together on the way, a few at a time."""
    from selector.prune import cluster_rows

    fetched = []
    inner = cluster_rows._got
    monkeypatch.setattr(
        cluster_rows, "_got", lambda tasks: fetched.append(len(tasks)) or inner(tasks)
    )
    there = ClusterRows(file, part_rows=30)
    matrix = np.load(file, mmap_mode="r")
    a, b = there.sample(40, 1), Rows(matrix).sample(40, 1)
    assert np.array_equal(a.keys, b.keys) and np.array_equal(a.rows, b.rows)
    there.sums(np.eye(12, dtype=np.float32)[:3])
    assert fetched == [1, 1]


def test_a_file_that_a_node_does_not_see(connected, file):
    gone = file.with_name("gone.npy")
    gone.write_bytes(file.read_bytes())
    rows = ClusterRows(gone)
    rows.sums(np.ones((1, 12), np.float32))
    gone.unlink()
    with pytest.raises(BadInputError, match=r"A node cannot read .*gone"):
        rows.sums(np.ones((1, 12), np.float32))
