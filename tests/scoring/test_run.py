"""A run folder that was damaged is said to be so."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_cards import BadInputError
from scoring.run import FORMAT_VERSION, Run


@pytest.mark.parametrize("content", [None, b"", b"PAR1 and no more"])
def test_damaged_tables(content, tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"format_version": FORMAT_VERSION}))
    for name in ("scores.parquet", "samples.parquet"):
        if content is not None:
            (tmp_path / name).write_bytes(content)
    run = Run.open(tmp_path)
    with pytest.raises(BadInputError, match=r"scores\.parquet cannot be read"):
        run.scores  # noqa: B018
    with pytest.raises(BadInputError, match=r"samples\.parquet cannot be read"):
        run.samples(["id"])


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format_version": 99}'])
def test_damaged_manifests(text, tmp_path):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(BadInputError, match=r"run\.json"):
        Run.open(tmp_path)


def test_no_run(tmp_path):
    with pytest.raises(BadInputError, match="holds no finished run"):
        Run.open(tmp_path)


def test_only_the_thumbnails_asked_for_are_read(tmp_path, monkeypatch):
    keys = [n.to_bytes(16, "little") for n in range(40)]
    table = pa.table({
        "key": pa.array(keys, pa.binary(16)),
        "thumbnail": pa.array([b"%d" % n for n in range(40)], pa.binary()),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "thumbnails.parquet", row_group_size=10)
    run = Run(tmp_path, {})
    assert run.thumbnails() == {key: b"%d" % n for n, key in enumerate(keys)}
    read = []
    whole = pq.ParquetFile.read_row_group

    def counted(self, group, columns):
        read.extend([group] * ("thumbnail" in columns))
        return whole(self, group, columns=columns)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    assert run.thumbnails([keys[12], keys[19], bytes(16), b"?"]) == {
        bytes(16): b"0", keys[12]: b"12", keys[19]: b"19"
    }  # fmt: skip
    assert read == [0, 1] and run.thumbnails([]) == {}
