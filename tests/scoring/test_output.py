import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scoring.output import ParquetStream, VectorFile


def test_a_vector_file_grows_and_is_an_ordinary_npy(tmp_path):
    blocks = [np.random.default_rng(n).normal(size=(n * 37, 5)) for n in range(1, 40)]
    file = VectorFile(tmp_path / "a" / "v.npy", 5)
    for block in blocks:
        file.append(block)
    assert not (tmp_path / "a" / "v.npy").exists()
    file.close()
    loaded = np.load(tmp_path / "a" / "v.npy", mmap_mode="r")
    np.testing.assert_array_equal(loaded, np.concatenate(blocks).astype(np.float16))


@pytest.mark.parametrize("rows", [0, 1])
def test_small_vector_files(rows, tmp_path):
    file = VectorFile(tmp_path / "v.npy", 3)
    file.append(np.ones((rows, 3)))
    file.close()
    assert np.load(tmp_path / "v.npy").shape == (rows, 3)


def test_abandoned_files_leave_nothing(tmp_path):
    vectors = VectorFile(tmp_path / "v.npy", 3)
    vectors.append(np.ones((2, 3)))
    vectors.abandon()
    stream = ParquetStream(tmp_path / "t.parquet", pa.schema([("a", pa.int64())]))
    stream.write({"a": [1, 2]})
    stream.abandon()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing_either(tmp_path, monkeypatch):
    stream = ParquetStream(tmp_path / "a.parquet", pa.schema([("x", pa.int64())]))

    def full():
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stream._writer, "close", full)
    stream.abandon()
    assert list(tmp_path.iterdir()) == []
    assert not stream._writer.is_open  # else its destructor tries once more


def test_a_stream_is_an_ordinary_parquet_file(tmp_path):
    schema = pa.schema([("a", pa.int64()), ("b", pa.string())])
    stream = ParquetStream(tmp_path / "t.parquet", schema)
    stream.write({"a": [1, 2], "b": ["x", None]})
    stream.write({"a": pa.chunked_array([[3]], pa.int64()), "b": pa.array(["y"])})
    stream.close()
    table = pq.read_table(tmp_path / "t.parquet")
    assert table.to_pydict() == {"a": [1, 2, 3], "b": ["x", None, "y"]}
