"""``--engine ray`` from the command line, with the real embedded models and real pictures."""

import json
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import pickwell
from data_cards import BadInputError
from pickwell.__main__ import app

runner = CliRunner()


@pytest.fixture(scope="module")
def pairs(packages, tmp_path_factory) -> Path:
    """90 pairs over 30 real pictures, the last ten of which repeat the first."""
    from data_cards.demo.corpus import iter_pictures

    folder = tmp_path_factory.mktemp("pairs")
    pictures = [p for p in islice(iter_pictures(packages, ("clipart",)), 400) if not p.link][:30]
    rows = []
    for number in range(80):
        picture = pictures[number % 30]
        words = picture.id.rsplit("/", 1)[-1].replace("_", " ")
        answer = f"A drawing of {words}, picture {number}." if number % 4 else words
        image = str(packages / picture.image)
        rows.append({"id": f"p{number}", "image": image, "instruction": "What is shown?"})
        rows[-1]["response"] = answer
    rows += [{**row, "id": f"again-{row['id']}"} for row in rows[:10]]
    path = folder / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.cluster
@pytest.mark.timeout(900)
def test_score_on_a_cluster_is_score_here(ray_cluster, packages, pairs, tmp_path):
    common = {"shard_rows": 16, "images": packages}
    here = pickwell.score(pairs, tmp_path / "here", cache=tmp_path / "a", **common)
    there = tmp_path / "there"
    typed = ["score", str(pairs), "--out", str(there), "--engine", "ray"]
    typed += ["--address", ray_cluster.address, "--cache", str(tmp_path / "b")]
    config = tmp_path / "shards.yaml"
    config.write_text("score: {shard_rows: 16}\n")
    typed += ["--config", str(config), "--images", str(packages)]
    result = runner.invoke(app, typed)
    assert result.exit_code == 0, result.output
    for name in ("samples.parquet", "scores.parquet", "thumbnails.parquet"):
        assert (here.folder / name).read_bytes() == (there / name).read_bytes(), name
    for name in ("image", "text"):
        a, b = (np.load(f / "embeddings" / f"{name}.npy") for f in (here.folder, there))
        assert a.tobytes() == b.tobytes()
    told = json.loads((there / "run.json").read_text())
    assert told["status"] == here.manifest["status"]
    # whoever scores the same once more finds everything in the cluster's cache
    again = pickwell.score(pairs, tmp_path / "again", cache=tmp_path / "b", **common)
    assert set(again.manifest["computed"].values()) == {0}


@pytest.mark.cluster
@pytest.mark.timeout(900)
def test_prune_on_a_cluster_is_prune_here(ray_cluster, packages, tmp_path):
    listed = packages / "pictures.jsonl"
    if not listed.is_file():
        from data_cards.demo.corpus import write_corpus

        write_corpus(packages)
    common = {"limit": 150, "shard_rows": 40, "keep": 0.6, "strategy": "hard", "prototypes": 9}
    here = pickwell.prune(listed, tmp_path / "here", cache=tmp_path / "a", **common)
    there = pickwell.prune(
        listed, tmp_path / "there", cache=tmp_path / "b", engine="ray",
        address=ray_cluster.address, **common,
    )  # fmt: skip
    for name in ("kept.txt", "removed.txt", "prototypes.npy", "run/embeddings/image.npy"):
        assert (here.folder / name).read_bytes() == (there.folder / name).read_bytes(), name
    assert here.robustness == there.robustness


def test_like_stays_on_one_machine(plain, tmp_path):
    with pytest.raises(BadInputError, match="--engine ray does not do"):
        pickwell.score(
            plain.home / "new.jsonl", tmp_path / "o", like=plain.home / "run", engine="ray",
            cache=plain.cache,
        )  # fmt: skip


def test_an_address_that_nobody_answers_at(tmp_path, pickwell_here):
    pytest.importorskip("ray")
    (tmp_path / "a.jsonl").write_text('{"id": "a", "instruction": "q", "response": "r"}\n')
    typed = ("score", "a.jsonl", "--out", "out", "--models", "none", "--engine", "ray")
    done = pickwell_here(*typed, "--address", "ray://127.0.0.1:1")
    assert done.returncode == 2
    assert "client server" in done.stderr and not (tmp_path / "out").exists()
