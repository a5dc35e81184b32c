import hashlib
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import scoring.store as store_module
from scoring.store import KeyedStore, atomic_path, content_key

SCHEMA = pa.schema([("value", pa.int64()), ("vector", pa.list_(pa.float16(), 2))])


def rows(values: list[int]) -> pa.Table:
    vectors = pa.array([[v, v + 1] for v in values], pa.list_(pa.float32(), 2))
    return pa.table({"value": values, "vector": vectors.cast(pa.list_(pa.float16(), 2))}, SCHEMA)


def key(value: int) -> bytes:
    return content_key(str(value))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    batches=st.lists(st.lists(st.integers(0, 40), unique=True, max_size=9), max_size=6),
    asked=st.lists(st.integers(0, 40), max_size=30),
    reopen=st.booleans(),
)
def test_equals_a_dictionary(tmp_path_factory, batches, asked, reopen):
    folder = tmp_path_factory.mktemp("store")
    store = KeyedStore(folder, SCHEMA)
    known: set[int] = set()
    for batch in batches:
        fresh = [v for v in batch if v not in known]
        assert store.missing([key(v) for v in batch]) == [key(v) for v in fresh]
        store.append([key(v) for v in fresh], rows(fresh))
        known.update(fresh)
    if reopen:
        store = KeyedStore(folder, SCHEMA)
    assert len(store) == len(known)
    present = [v for v in asked if v in known]
    taken = store.take([key(v) for v in present])
    assert taken["value"].to_pylist() == present
    assert [v[1] for v in taken["vector"].to_pylist()] == [v + 1 for v in present]
    absent = [v for v in dict.fromkeys(asked) if v not in known]
    assert store.missing([key(v) for v in asked]) == [key(v) for v in absent]
    if absent:
        with pytest.raises(KeyError):
            store.take([key(absent[0])])


def test_a_torn_segment_is_computed_again(tmp_path: Path, caplog):
    store = KeyedStore(tmp_path, SCHEMA)
    store.append([key(1)], rows([1]))
    store.append([key(2)], rows([2]))
    torn = sorted(tmp_path.glob("*.arrow"))[0]
    torn.write_bytes(torn.read_bytes()[:40])
    again = KeyedStore(tmp_path, SCHEMA)
    assert len(again) == 1
    assert "computed again" in caplog.text


def test_nothing_is_half_written(tmp_path: Path):
    target = tmp_path / "table"
    target.write_text("before")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_keys_respect_boundaries():
    assert content_key("a", "bc") != content_key("ab", "c")
    assert content_key("a") == content_key(b"a")
    assert len(content_key("x")) == 16
    expected = hashlib.sha256((1).to_bytes(8, "little") + b"x").digest()[:16]
    assert content_key("x") == expected


def test_folding_the_index_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many small appends find the same rows, whether still in the dictionary or folded."""
    monkeypatch.setattr(store_module, "_FOLD", 7)
    schema = pa.schema([("v", pa.int64())])
    store = KeyedStore(tmp_path, schema)
    keys = [content_key(str(number)) for number in range(100)]
    for start in range(0, 100, 5):
        store.append(keys[start : start + 5], pa.table({"v": list(range(start, start + 5))}))
        assert len(store) == start + 5
    assert len(store._new) <= max(7, 25)
    order = [93, 2, 50, 0, 99, 50]
    for opened in (store, KeyedStore(tmp_path, schema)):
        assert opened.take([keys[i] for i in order])["v"].to_pylist() == order
        assert not opened.missing(keys)
        assert content_key("other") not in opened
