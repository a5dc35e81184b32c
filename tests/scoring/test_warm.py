"""The warm engine: what it holds, what it leaves behind, and that a failure passes."""

import pyarrow as pa
import pytest

from data_cards import ImageRef, Sample, Turn
from scoring.engine import EngineOptions
from scoring.engine import score as run_engine
from scoring.metric import Models
from scoring.reference import Reference
from scoring.store import KeyedStore, content_key
from scoring.warm import WarmEngine

SCHEMA = pa.schema([("value", pa.int64())])


def test_a_store_that_keeps_nothing_writes_nothing_and_forgets(tmp_path):
    written = KeyedStore(tmp_path / "store", SCHEMA)
    written.append([content_key("a")], pa.table({"value": [1]}))
    store = KeyedStore(tmp_path / "store", SCHEMA, keep=False)
    store.append([content_key("b"), content_key("c")], pa.table({"value": [2, 3]}))
    keys = [content_key(name) for name in "cab"]
    assert store.take(keys)["value"].to_pylist() == [3, 1, 2]
    assert len(list((tmp_path / "store").iterdir())) == 1
    store.forget()
    assert store.missing(keys) == [keys[0], keys[2]]
    assert store.take(keys[1:2])["value"].to_pylist() == [1]
    store.append([content_key("b")], pa.table({"value": [4]}))
    assert store.take(keys[2:])["value"].to_pylist() == [4]
    written.forget()
    assert content_key("a") in written


@pytest.fixture
def engine(tmp_path):
    models = Models("none")
    samples = [pair(f"r{n}", f"Word {n}.") for n in range(4)]
    from scoring.engine import make_metrics

    metrics = make_metrics(models, ["length", "boilerplate", "image_quality"])
    options = EngineOptions(tmp_path / "cache", workers=1)
    manifest = {"options": {"models": "none"}}
    run_engine(samples, tmp_path / "run", metrics, models, options, manifest=manifest)
    with WarmEngine(Reference.open(tmp_path / "run", warm=True), metrics, models, options) as made:
        yield made


def pair(id_, response, picture=None):
    images = () if picture is None else (ImageRef("", data=picture),)
    return Sample(id_, (Turn("user", "What?"), Turn("assistant", response)), images)


def test_rows_are_held_against_the_reference(engine):
    rows = engine.score([pair("x", "word 2"), pair("r2", "Word 2."), pair("y", "")])
    assert rows.scores["boilerplate"].to_pylist() == [1, 0, None]  # its own row does not count
    assert rows.scores["status"].to_pylist() == ["ok", "ok", "bad"]
    assert rows.scores["error"].to_pylist()[2] == "response is empty"
    assert len(rows) == 3 and rows.embedding("image") is None


def test_a_failure_passes(engine, monkeypatch, plain_png):
    """A picture whose pass failed is decoded again, not waited for."""
    measure = engine._mapper.images.metrics[0].__class__.measure
    monkeypatch.setattr(engine._mapper.images.metrics[0].__class__, "measure", lambda *a: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        engine.score([pair("x", "A word.", plain_png)])
    monkeypatch.setattr(engine._mapper.images.metrics[0].__class__, "measure", measure)
    row = engine.score([pair("x", "A word.", plain_png)]).scores.to_pylist()[0]
    assert row["status"] == "ok" and row["image_width"] == 12


@pytest.fixture
def plain_png():
    from io import BytesIO

    from PIL import Image

    buffer = BytesIO()
    Image.new("RGB", (12, 10), (200, 30, 30)).save(buffer, "PNG")
    return buffer.getvalue()


def test_broken_bytes_are_told_of_under_their_own_name(engine):
    """Not under the name that somebody else gave the same bytes before."""

    def named(name):
        images = (ImageRef(name, data=b"\x89PNG\r\n\x1a\n torn"),)
        return Sample(name, (Turn("user", "What?"), Turn("assistant", "A word.")), images)

    errors = [engine.score([named(name)]).scores["error"][0].as_py() for name in ("a", "b", "")]
    assert [error.rsplit(": ", 1)[-1] for error in errors[:2]] == ["a", "b"]
    assert errors[0].removesuffix(": a") == errors[2]
