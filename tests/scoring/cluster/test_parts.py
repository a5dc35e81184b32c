import os
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_cards import ImageRef, Sample, Turn
from scoring.cluster.parts import Parts, packed, samples_table, unpacked
from scoring.shards import Shard

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
# any bytes but the slash and the null: names need not be UTF-8
PATHS = st.binary(max_size=9).map(
    lambda name: Path(os.fsdecode(b"/x" + name.translate(None, b"\0/")))
)
TURNS = st.builds(Turn, st.sampled_from(["user", "assistant", "system"]), TEXT)
REFS = st.one_of(
    st.builds(ImageRef, TEXT, data=st.binary(max_size=20)),
    st.builds(ImageRef, TEXT, error=TEXT),
    st.builds(ImageRef, TEXT, url=TEXT),
    st.builds(
        ImageRef,
        TEXT,
        path=st.binary(min_size=1, max_size=9).map(
            lambda b: __import__("pathlib").Path(
                os.fsdecode(b"/x" + b.replace(b"\0", b"").replace(b"/", b""))
            )
        ),
    ),
)
SAMPLES = st.builds(
    Sample,
    id=TEXT,
    turns=st.lists(
        st.builds(Turn, st.sampled_from(["user", "assistant", "system"]), TEXT), max_size=3
    ).map(tuple),
    images=st.lists(REFS, max_size=3).map(tuple),
    source=TEXT,
    row=st.integers(0, 2**40),
    where=TEXT,
    error=st.none() | TEXT,
    label=st.none() | TEXT,
)


@given(st.lists(SAMPLES, max_size=4))
def test_samples_come_through_as_they_were(samples):
    assert unpacked(packed(samples)) == samples


def test_bytes_stay_behind_where_nobody_looks_at_them():
    sample = Sample("a", images=(ImageRef("x", data=b"123"),))
    table = samples_table([sample], with_data=False)
    assert table["images"].to_pylist()[0][0]["data"] is None


@pytest.fixture
def parts(tmp_path):
    return Parts(tmp_path, "id")


def shard() -> Shard:
    samples = [Sample("a", (Turn("assistant", "x"),)), Sample("b", error="bad")]
    return Shard(samples, [None, "bad"], [[b"k" * 16], []], [b"c" * 16, b"d" * 16])


def test_a_shard_is_read_as_it_was_written(parts):
    parts.write_read(3, "key", shard(), True)
    key, found = parts.read(3)
    assert key == "key" and found.samples == shard().samples
    assert found.errors == [None, "bad"] and found.image_keys == [[b"k" * 16], []]
    assert found.contents == [b"c" * 16, b"d" * 16]
    assert parts.read(4) is None


@pytest.mark.parametrize("broken", [b"", b"ARROW1", b"\0" * 400])
def test_a_torn_file_is_no_shard(parts, broken):
    parts.write_read(0, "key", shard(), True)
    whole = parts.read_file(0).read_bytes()
    parts.read_file(0).write_bytes(broken or whole[: len(whole) // 2])
    assert parts.read(0) is None
    with pa.OSFile(str(parts.read_file(0)), "wb") as sink, pa.ipc.new_file(sink, pa.schema([])):
        pass
    assert parts.read(0) is None  # no shard either, though an Arrow file


def test_another_file_behind_the_same_name_is_another_shard(parts, tmp_path):
    image = tmp_path / "a.png"
    image.write_bytes(b"one")
    samples = [Sample("a", images=(ImageRef("a.png", path=image),))]
    data = packed(samples)
    first = parts.key(data, samples)
    assert parts.key(data, samples) == first
    image.write_bytes(b"other")
    assert parts.key(data, samples) != first
    assert Parts(tmp_path, "other").key(data, samples) != parts.key(data, samples)
    image.unlink()
    parts.key(data, samples)  # missing files are the rows' own trouble


def test_whoever_comes_second_finds_it_done(parts):
    for text in ("first", "second"):
        work = parts.begin_scored(1)
        (work / "file").write_text(text)
        parts.end_scored(work, 1, "key")
    assert parts.has_scored(1, "key") and not parts.has_scored(1, "other")
    assert (parts.scored_folder(1) / "file").read_text() == "first"
    work = parts.begin_scored(1)
    parts.end_scored(work, 1, "other")  # other inputs: it takes the place
    assert parts.has_scored(1, "other")
    assert not [p for p in parts.folder.iterdir() if p.name.startswith(".")]
