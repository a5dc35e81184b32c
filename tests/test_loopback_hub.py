"""The hub on loopback serves what huggingface_hub and datasets, unchanged, ask for."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.loopback_hub import READER, WRITER, LoopbackHub

RECORDS = "".join(json.dumps({"id": f"r{i}", "text": f"row {i}"}) + "\n" for i in range(5))
CLIENT = """
import json, pathlib, sys
from datasets import load_dataset
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError, GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError)
home = pathlib.Path(sys.argv[1])
api = HfApi()
said = {"streamed": list(load_dataset("owner/rows", split="train", streaming=True))}
said["loaded"] = load_dataset("owner/rows", split="train").to_list()
folder = snapshot_download("owner/model")
said["snapshot"] = sorted(p.name for p in pathlib.Path(folder).rglob("*") if p.is_file())
def why(call):
    try:
        call()
    except (EntryNotFoundError, GatedRepoError, RepositoryNotFoundError,
            RevisionNotFoundError) as error:
        return type(error).__name__
said["missing"] = [
    why(lambda: api.dataset_info("owner/none")),
    why(lambda: api.dataset_info("owner/rows", revision="nobranch")),
    why(lambda: hf_hub_download("owner/model", "none.bin")),
    why(lambda: hf_hub_download("owner/gated", "a.txt", token=sys.argv[3])),
    why(lambda: api.dataset_info("owner/private", token=sys.argv[3])),
]
gated = hf_hub_download("owner/gated", "a.txt", token=sys.argv[2])
said["let in"] = pathlib.Path(gated).read_text()
(home / "up").mkdir()
(home / "up" / "big.bin").write_bytes(bytes(range(256)) * 64)
(home / "up" / "README.md").write_text("---\\nlicense: mit\\n---\\n# x\\n")
api = HfApi(token=sys.argv[2])
api.create_repo("owner/pushed", exist_ok=True)
api.create_repo("owner/pushed", exist_ok=True)
api.create_branch("owner/pushed", branch="next")
api.upload_folder(repo_id="owner/pushed", folder_path=home / "up", commit_message="all at once")
print(json.dumps(said))
"""


@pytest.fixture
def filled(hub: LoopbackHub) -> LoopbackHub:
    hub.put(
        "datasets", "owner/rows", {"train.jsonl": RECORDS, "README.md": "---\nlicense: mit\n---\n"}
    )
    hub.put("models", "owner/model", {"config.json": "{}", "sub/weights.bin": bytes(1000)})
    hub.put("models", "owner/gated", {"a.txt": "secret"}, gated=True)
    hub.put("datasets", "owner/private", {"a.txt": "secret"}, private=True)
    return hub


def test_the_real_clients_run_against_it(filled, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, str(tmp_path), WRITER, READER],
        env=os.environ | filled.environment(tmp_path / "home"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    rows = [{"id": f"r{i}", "text": f"row {i}"} for i in range(5)]
    assert said["streamed"] == said["loaded"] == rows
    assert said["snapshot"] == ["config.json", "weights.bin"]
    assert said["missing"] == [
        "RepositoryNotFoundError",
        "RevisionNotFoundError",
        "RemoteEntryNotFoundError",
        "GatedRepoError",
        "RepositoryNotFoundError",
    ]
    assert said["let in"] == "secret"
    pushed = filled.repos["models", "owner/pushed"]
    assert pushed.files["big.bin"] == bytes(range(256)) * 64
    assert pushed.files["README.md"].startswith(b"---\nlicense: mit")
    assert pushed.messages == ["initial commit", "all at once"]
    assert set(pushed.branches) == {"main", "next"}
    assert len(filled.asked(r"^PUT /lfs/")) == 1


def test_a_folder_tree_is_served_and_old_commits_stay(tmp_path: Path):
    place = tmp_path / "datasets" / "me" / "set" / "data" / "a.bin"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"0123456789")
    with LoopbackHub(tmp_path) as hub:
        first = hub.repos["datasets", "me/set"].branches["main"]
        hub.put("datasets", "me/set", {"data/a.bin": b"new"})
        url = f"{hub.url}/datasets/me/set/resolve"
        request = urllib.request.Request(
            f"{url}/{first}/data/a.bin", headers={"Range": "bytes=2-4"}
        )
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 206 and answer.read() == b"234"
            assert answer.headers["X-Repo-Commit"] == first and answer.headers["ETag"]
        with urllib.request.urlopen(f"{url}/main/data/a.bin") as answer:
            assert answer.read() == b"new"
        hub.failing.append((r"^GET .*/a\.bin", 503))
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{url}/main/data/a.bin")
        assert caught.value.code == 503
        assert [r.status for r in hub.requests] == [206, 200, 503]
