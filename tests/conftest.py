import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.loopback_hub import LoopbackHub

settings.register_profile("pickwell", deadline=None, max_examples=60)
settings.load_profile("pickwell")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def packages() -> Path:
    """Folder of unpacked demo packages (real pictures), or skip."""
    folder = Path(os.environ.get("PICKWELL_DEMO_PACKAGES", ROOT / ".demo" / "packages"))
    if not (folder / "usr" / "share").is_dir():
        pytest.skip("the demo packages are not unpacked (make demo-data)")
    return folder


@pytest.fixture(scope="session")
def pool_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stores for the whole demo pool, empty when the tests begin: it is scored once for all."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of supplied reference data, or skip."""
    folder = Path(os.environ.get("PICKWELL_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip("no folder with the supplied reference data (PICKWELL_SHARED)")
    return folder


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    """An empty Hugging Face hub on loopback; see tests/loopback_hub.py."""
    with LoopbackHub() as served:
        yield served


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[Any]:
    """A real Ray cluster of two nodes with one processor each, on this machine."""
    pytest.importorskip("ray")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 150_000_000}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    cluster.add_node(**node)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()
