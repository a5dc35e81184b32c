"""Data of the hub on the command line: scored at a commit, chosen from it later, described."""

import io
import json
import sys

import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCard
from PIL import Image

from data_cards.errors import BadInputError
from pickwell.commands.options import file_or_subset
from tests.loopback_hub import WRITER

THINGS = ("of grey rain", "like static", "without end", "on paper", "seen at night", "of dust")
METRICS = "length,repetition,image_quality"


def png(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((96, 80), 20 + seed).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


def repository(word: str, count: int = 30) -> dict[str, bytes | str]:
    """LLaVA records with their images, one configuration of two."""
    records = [
        {
            "id": f"r{i}",
            "image": f"images/{i}.png",
            "conversations": [
                {"from": "human", "value": "<image>\nWhat is it?"},
                {"from": "gpt", "value": f"A {word} picture, number {i}, {THINGS[i % 6]}."},
            ],
        }
        for i in range(count)
    ]
    card = (
        "---\nlicense: cc-by-4.0\nlanguage: [en]\nconfigs:\n"
        "- {config_name: pairs, data_files: pairs.jsonl}\n"
        "- {config_name: other, data_files: other.jsonl}\n---\n# Pairs\n"
    )
    lines = "".join(json.dumps(record) + "\n" for record in records)
    pictures = {f"images/{i}.png": png(i) for i in range(count)}
    return {"pairs.jsonl": lines, "other.jsonl": lines, "README.md": card, **pictures}


def test_scored_at_a_commit_and_copied_from_it_after_the_branch_moved_on(hub, pickwell, tmp_path):
    commit = hub.put("datasets", "owner/pairs", repository("first"))
    online = hub.environment(tmp_path / "home")
    words = ("-c", "pairs", "--split", "train", "--metrics", METRICS, "--models", "none")
    scored = pickwell("score", "hf://owner/pairs", "--out", "run", *words, **online)
    assert scored.returncode == 0, scored.stderr
    assert "30 rows scored" in scored.stdout and "0 of them bad" in scored.stdout
    read = json.loads((tmp_path / "run" / "run.json").read_text())["input"]
    assert read["revision"] == commit and read["path"] == "hf://owner/pairs"
    assert read["front_matter"] == {"license": "cc-by-4.0", "language": ["en"]}
    hub.put("datasets", "owner/pairs", repository("second", 20))
    chosen = pickwell("select", "run", "-o", "picked", "-b", 6, "--copy-images", **online)
    assert chosen.returncode == 0, chosen.stderr
    assert "6 of 30 chosen" in chosen.stdout, chosen.stdout
    rows = pq.read_table(tmp_path / "picked" / "data" / "pairs.parquet").to_pylist()
    assert len(rows) == 6
    for row in rows:
        assert "first" in row["conversations"][1]["value"]
        assert (tmp_path / "picked" / "data" / row["image"]).read_bytes()[:4] == b"\x89PNG"
    # without copies, too, what comes after finds the images in the repository
    assert pickwell("select", "run", "-o", "bare", "-b", 6, **online).returncode == 0
    pushed = pickwell("push", "bare", "owner/six", **(online | {"HF_TOKEN": WRITER}))
    assert pushed.returncode == 0, pushed.stderr
    files = hub.repos["datasets", "owner/six"].files
    table = pq.read_table(io.BytesIO(files["data/train-00000-of-00001.parquet"])).to_pylist()
    assert all(row["images"][0]["bytes"][:4] == b"\x89PNG" for row in table) and len(table) == 6
    assert sum(path.endswith(".png") for path in files) == 6
    card = (tmp_path / "picked" / "README.md").read_text()
    data = DatasetCard(card).data.to_dict()
    assert data["license"] == "cc-by-4.0" and data["source_datasets"] == ["owner/pairs"]
    assert data["configs"][0]["data_files"] == [{"split": "train", "path": "data/pairs.parquet"}]
    assert f"[owner/pairs](<{hub.url}/datasets/owner/pairs>), at commit `{commit}`" in card
    assert f"hf://owner/pairs@{commit}" in card and "--subset pairs" in card
    assert "## Before and after" in card and "| words in the response |" in card


def test_what_is_wrong_is_said_in_a_line_and_a_remedy(pickwell, tmp_path):
    online = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path)}
    down = pickwell("score", "hf://owner/pairs", "--out", "run", **online)
    assert down.returncode == 2 and "no connection to the hub" in down.stderr
    assert len(down.stderr.strip().splitlines()) == 2, down.stderr
    off = pickwell("score", "hf://owner/pairs", "--out", "run", HF_HUB_OFFLINE="1")
    assert off.returncode == 2 and "offline mode is on" in off.stderr
    assert not (tmp_path / "run").exists()


def test_what_config_means(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs").write_text("score: {}\n")
    hub, local = "hf://owner/name", "pairs.json"
    assert file_or_subset(hub, None, "a") == (None, "a")
    assert file_or_subset(hub, "coco", None) == (None, "coco")
    assert file_or_subset(hub, "coco", "coco") == (None, "coco")
    for config in ("pairs", "options.yaml", "options.YML"):  # a file that is there, or named so
        file, subset = file_or_subset(hub, config, "coco")
        assert (str(file), subset) == (config, "coco")
    assert str(file_or_subset(local, "coco", None)[0]) == "coco"
    with pytest.raises(BadInputError, match="two configurations"):
        file_or_subset(hub, "coco", "vqa")


def test_importing_pickwell_loads_no_client_of_the_hub():
    import subprocess

    heavy = ("torch", "datasets", "httpx2", "huggingface_hub", "tenacity")
    code = (
        f"import sys, pickwell, pickwell.__main__; print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
