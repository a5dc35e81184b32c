import os
import sys
from types import SimpleNamespace

import pytest

from data_cards import BadInputError
from scoring.cluster.connect import ClusterOptions, _start, connected, require_ray, room_of


class Nodes:
    """What Ray says of its nodes."""

    def __init__(self, *resources):
        self.resources = resources

    def nodes(self):
        return [{"Alive": True, "Resources": r} for r in self.resources] + [
            {"Alive": False, "Resources": {"CPU": 64.0}}
        ]


@pytest.mark.parametrize(
    ("nodes", "cpus", "fits"),
    [
        ([{"CPU": 2.0}, {"CPU": 16.0}], 1.0, 18),  # memory not known
        ([{"CPU": 2.0, "memory": 16e9}, {"CPU": 16.0, "memory": 128e9}], 1.0, 18),
        ([{"CPU": 16.0, "memory": 25e9}], 2.0, 8),
        ([{"CPU": 2.0, "memory": 16e9}, {"CPU": 16.0, "memory": 16e9}], 2.0, 9),
        ([{"CPU": 64.0, "memory": 16e9}], 4.0, 16),
        ([{"CPU": 0.0, "memory": 1e9}, {"CPU": 2.0, "memory": 1e9}], 2.0, 1),
    ],
)
def test_a_worker_takes_one_processor_if_that_leaves_it_memory(nodes, cpus, fits):
    room = room_of(Nodes(*nodes), ClusterOptions())
    assert (room.worker_cpus, room.worker_gpus, room.fits) == (cpus, 0.0, fits)


def test_beside_a_gpu_a_worker_takes_what_the_smallest_node_has_up_to_four():
    nodes = Nodes({"CPU": 16.0, "GPU": 2.0, "memory": 128e9}, {"CPU": 8.0})
    assert room_of(nodes, ClusterOptions()).worker_cpus == 4.0


def test_gpus_are_shared_out():
    nodes = Nodes({"CPU": 16.0, "GPU": 2.0}, {"CPU": 8.0})
    room = room_of(nodes, ClusterOptions())
    assert (room.worker_gpus, room.fits) == (1.0, 2)
    room = room_of(nodes, ClusterOptions(worker_gpus=0.25, worker_cpus=1))
    assert room.fits == 8
    room = room_of(nodes, ClusterOptions(worker_gpus=0, worker_cpus=1, max_workers=3))
    assert room.fits == 24 and room.now == 3


def test_a_worker_that_fits_nowhere():
    with pytest.raises(BadInputError, match=r"8 CPU and 0 GPU fits on no node \(2 CPU 0 GPU\)"):
        room_of(Nodes({"CPU": 2.0}), ClusterOptions(worker_cpus=8))
    with pytest.raises(BadInputError, match="no processors"):
        room_of(Nodes({"object_store_memory": 1.0}), ClusterOptions())


@pytest.mark.parametrize("given", [None, "info"])
def test_the_core_is_quiet_unless_the_user_says_otherwise(monkeypatch, capfd, given):
    class Started:
        exceptions = SimpleNamespace(RayError=OSError)

        def init(self, **options):
            self.level = os.environ["RAY_BACKEND_LOG_LEVEL"]
            os.write(2, b"logging.cc: Set ray log level from RAY_BACKEND_LOG_LEVEL\nno room\n")

    monkeypatch.setenv("RAY_BACKEND_LOG_LEVEL", "nothing")  # put back after the test
    monkeypatch.delenv("RAY_BACKEND_LOG_LEVEL")
    if given is not None:
        monkeypatch.setenv("RAY_BACKEND_LOG_LEVEL", given)
    ray = Started()
    _start(ray, None)
    assert ray.level == (given or "fatal")
    said = capfd.readouterr().err
    assert "no room" in said and ("Set ray log level" in said) == (given is not None)


def test_without_ray(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BadInputError, match="Ray is not installed") as caught:
        require_ray()
    assert "pickwell[ray]" in caught.value.remedy


def test_addresses_that_lead_nowhere():
    pytest.importorskip("ray")
    with (
        pytest.raises(BadInputError, match="client server"),
        connected(ClusterOptions("ray://a:1")),
    ):
        pass
