"""The engine with an encoder that counts its work; the real one runs in tests/pickwell."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageDraw

from data_cards import BadInputError, ImageRef, Sample, Turn
from scoring.engine import EngineOptions, make_metrics, score
from scoring.imported import read_imported
from scoring.metric import Models
from scoring.pool import add_columns
from scoring.run import Run

TEXT_METRICS = ["length", "repetition", "boilerplate", "alignment", "image_quality"]


class CountingEncoder:
    """Colour means for images, letter counts for texts: cheap, deterministic, order-blind."""

    name = "counting"
    key = "counting-1"
    dim = 8
    batch_size = 4
    one_core_passes = False
    whole_images = False

    def __init__(self) -> None:
        self.images = 0
        self.texts = 0
        self.fail_after: int | None = None

    def preprocess(self, image):
        import torch

        small = np.asarray(image.convert("RGB").resize((4, 4)), np.float32)
        return torch.from_numpy(small.transpose(2, 0, 1) / 255)

    def encode_images(self, pixels):
        self.images += len(pixels)
        if self.fail_after is not None and self.images > self.fail_after:
            raise KeyboardInterrupt
        flat = pixels.reshape(len(pixels), -1).numpy()[:, : self.dim] + 0.1
        return flat / np.linalg.norm(flat, axis=1, keepdims=True)

    def encode_texts(self, texts: Sequence[str]):
        self.texts += len(texts)
        counts = np.array([[t.count(c) + 0.1 for c in "aeioustr"] for t in texts], np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


def picture(path: Path, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (40, 30), tuple(int(v) for v in rng.integers(0, 256, 3)))
    ImageDraw.Draw(image).ellipse(
        (5, 5, 20, 25), fill=tuple(int(v) for v in rng.integers(0, 256, 3))
    )
    image.save(path)
    return path


def sample(number: int, image: Path | None, response: str) -> Sample:
    refs = () if image is None else (ImageRef(image.name, path=image),)
    turns = (Turn("user", "What is it?"), Turn("assistant", response))
    return Sample(f"s{number}", turns, refs, "test", number, f"test:{number}")


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    made = [
        sample(n, picture(tmp_path / f"{n % 20}.png", n % 20), f"A thing. Number {n} of them.")
        for n in range(30)
    ]
    (tmp_path / "torn.png").write_bytes((tmp_path / "1.png").read_bytes()[:60])
    (tmp_path / "empty.png").write_bytes(b"")
    made[3] = sample(3, tmp_path / "torn.png", "A torn one.")
    made[7] = sample(7, tmp_path / "empty.png", "An empty one.")
    made[11] = sample(11, None, "Only text.")
    made[13] = sample(13, tmp_path / "0.png", "")
    made[17] = sample(17, tmp_path / "missing.png", "Nobody there.")
    made[19] = Sample("s19", row=19, where="test:19", error="broken JSON")
    return made


def run(samples, folder, encoder, shard_rows=7, **options) -> Run:
    models = Models("counting", encoder=encoder)
    return score(
        samples,
        folder,
        make_metrics(models, TEXT_METRICS),
        models,
        EngineOptions(folder.parent / "cache", shard_rows=shard_rows, workers=2, **options),
    )


BAD = {"s3", "s7", "s13", "s17", "s19"}


def test_bad_rows_keep_their_place_and_harm_nobody(samples, tmp_path):
    result = run(samples, tmp_path / "run", CountingEncoder())
    table = result.scores.to_pylist()
    assert [row["id"] for row in table] == [s.id for s in samples]
    assert {row["id"] for row in table if row["status"] == "bad"} == BAD
    assert all((row["error"] is not None) == (row["id"] in BAD) for row in table)
    for row in table:
        if row["id"] in BAD:
            assert row["characters"] is None and row["alignment"] is None
        else:
            assert row["characters"] > 0
            assert (row["alignment"] is None) == (row["id"] == "s11")
    assert "no image" in table[11]["notes"]
    assert table[19]["error"] == "broken JSON"
    good = [s for s in samples if s.id not in BAD]
    alone = run(good, tmp_path / "alone", CountingEncoder()).scores.to_pylist()
    kept = [row for row in table if row["id"] not in BAD]
    for row, same in zip(kept, alone, strict=True):
        assert row["alignment"] == same["alignment"]
    vectors = result.embedding("image")
    assert vectors.shape == (30, 8)
    norms = np.linalg.norm(np.asarray(vectors, np.float32), axis=1)
    missing = {int(i[1:]) for i in BAD} | {11}
    assert np.isnan(norms[sorted(missing)]).all()
    np.testing.assert_allclose(np.delete(norms, sorted(missing)), 1, atol=2e-3)


@pytest.mark.parametrize("shard_rows", [1, 4, 30, 100])
def test_shard_size_changes_nothing(samples, tmp_path, shard_rows):
    first = run(samples, tmp_path / "a", CountingEncoder())
    other = run(
        samples,
        tmp_path / "b",
        CountingEncoder(),
        shard_rows,
    )
    assert first.scores.equals(other.scores)
    fresh = score(
        samples,
        tmp_path / "c",
        make_metrics(Models("counting", encoder=CountingEncoder()), TEXT_METRICS),
        Models("counting", encoder=CountingEncoder()),
        EngineOptions(tmp_path / "other-cache", shard_rows=shard_rows, workers=1),
    )
    assert first.scores.equals(fresh.scores)


def test_nothing_is_computed_twice(samples, tmp_path):
    encoder = CountingEncoder()
    first = run(samples, tmp_path / "a", encoder)
    distinct = {ref.name for s in samples for ref in s.images} - {
        "torn.png",
        "empty.png",
        "missing.png",
    }
    assert encoder.images == len(distinct)
    images, texts = encoder.images, encoder.texts
    second = run(list(reversed(samples)), tmp_path / "b", encoder)
    assert (encoder.images, encoder.texts) == (images, texts)
    assert second.manifest["computed"]["images_decoded"] == 0
    by_id = {row["id"]: row for row in second.scores.to_pylist()}
    assert all(by_id[row["id"]] == row for row in first.scores.to_pylist())


def test_resumes_after_an_interruption(samples, tmp_path):
    encoder = CountingEncoder()
    encoder.fail_after = 12
    with pytest.raises(KeyboardInterrupt):
        run(samples, tmp_path / "run", encoder)
    with pytest.raises(BadInputError, match="no finished run"):
        Run.open(tmp_path / "run")
    assert not list((tmp_path / "run").rglob("*.partial"))
    done = encoder.images
    encoder.fail_after = None
    again = run(samples, tmp_path / "run", encoder)
    total = CountingEncoder()
    fresh = score(
        samples,
        tmp_path / "fresh",
        make_metrics(Models("counting", encoder=total), TEXT_METRICS),
        Models("counting", encoder=total),
        EngineOptions(tmp_path / "fresh-cache", shard_rows=7, workers=2),
    )
    assert again.scores.equals(fresh.scores)
    assert encoder.images < done + total.images


def test_two_images_and_one_of_them_broken(tmp_path):
    good, other = picture(tmp_path / "a.png", 1), picture(tmp_path / "b.png", 2)
    (tmp_path / "c.png").write_bytes(b"no image")
    refs = lambda *names: tuple(ImageRef(n, path=tmp_path / n) for n in names)  # noqa: E731
    turns = (Turn("user", "Compare."), Turn("assistant", "They differ."))
    both = Sample("both", turns, refs(good.name, other.name), row=0)
    half = Sample("half", turns, refs("a.png", "c.png"), row=1)
    table = run([both, half], tmp_path / "run", CountingEncoder()).scores.to_pylist()
    assert table[0]["status"] == "ok" and table[0]["alignment"] is not None
    assert table[1]["status"] == "bad" and table[1]["error"].startswith("image 2 of 2: ")


def test_imported_columns(samples, tmp_path):
    result = run(samples, tmp_path / "run", CountingEncoder())
    ids = result.scores["id"].to_pylist()
    path = tmp_path / "mine.parquet"
    values = [float(n) for n in range(len(ids))]
    values[2] = float("nan")
    table = pa.table({"id": [*ids[:-1], "stranger"], "mine": values})
    pq.write_table(table, path)
    imported = read_imported(path, ids, set(result.scores.column_names))
    assert (imported.matched, imported.unknown) == (29, 1)
    add_columns(result.folder, imported.columns, [("mine.parquet", imported.notes)])
    rows = Run.open(result.folder).scores.to_pylist()
    assert rows[5]["mine"] == 5.0
    assert rows[2]["mine"] is None and "not a finite number" in rows[2]["notes"]
    assert rows[29]["mine"] is None and "not in the imported file" in rows[29]["notes"]
    with pytest.raises(BadInputError, match="already has a column 'alignment'"):
        pq.write_table(pa.table({"id": ids, "alignment": values}), path)
        read_imported(path, ids, set(result.scores.column_names))
    with pytest.raises(BadInputError, match="occurs twice"):
        pq.write_table(pa.table({"id": [ids[0]] * 2, "x": [1.0, 2.0]}), path)
        read_imported(path, ids, set())
    with pytest.raises(BadInputError, match="none of its"):
        pq.write_table(pa.table({"id": ["?"], "x": [1.0]}), path)
        read_imported(path, ids, set())
    (tmp_path / "mine.csv").write_text("id,x\n" + ids[0] + ",3\n")
    assert read_imported(tmp_path / "mine.csv", ids, set()).columns["x"][0].as_py() == 3.0


def test_run_json_is_honest(samples, tmp_path):
    result = run(samples, tmp_path / "run", CountingEncoder())
    manifest = json.loads((result.folder / "run.json").read_text())
    assert manifest["rows"] == 30
    assert manifest["status"] == {"ok": 25, "bad": 5}
    assert set(manifest["metrics"]) == set(TEXT_METRICS)
    with pytest.raises(BadInputError, match="newer pickwell"):
        manifest["format_version"] = 99
        (result.folder / "run.json").write_text(json.dumps(manifest))
        Run.open(result.folder)
