"""A content-addressed store of computed rows: what was computed once is never computed again.

One store holds the results of one configuration (a metric's key, an encoder's key), addressed by
the hash of what they were computed from. It survives being killed at any moment: rows are written
as whole segments, under a temporary name, then renamed. It does not know runs: a new run, a longer
file, another order of rows all find what is already there.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

log = logging.getLogger(__name__)
KEY = "key"
KEY_BYTES = 16
_FOLD = 8192
"""New rows held in a dictionary (some 200 bytes each) before they join the arrays (24 bytes)."""


def content_key(*parts: bytes | str) -> bytes:
    """16-byte hash of parts that respects boundaries: ("a", "bc") differs from ("ab", "c")."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.digest()[:KEY_BYTES]


class MissingKeyError(KeyError):
    """A key that a store was asked for and does not hold."""


class KeyedStore:
    """Rows by 16-byte key, in append-only Arrow files under one folder.

    Args:
        folder: Created when the first rows are written.
        schema: Columns of a row, without the key.
        keep: Whether new rows are written; else they are held in memory until :meth:`forget`.
    """

    def __init__(self, folder: Path, schema: pa.Schema, keep: bool = True) -> None:
        self.folder = folder
        self.schema = schema
        self.keep = keep
        self._file_schema = schema.insert(0, pa.field(KEY, pa.binary(KEY_BYTES)))
        self._segments: list[pa.Table] = []
        self._high = np.empty(0, np.uint64)
        self._low = np.empty(0, np.uint64)
        self._place = np.empty((0, 2), np.int32)
        self._new: dict[bytes, tuple[int, int]] = {}
        self._load()
        self._written = len(self._segments)

    def __len__(self) -> int:
        return len(self._high) + len(self._new)

    def __contains__(self, key: bytes) -> bool:
        return self._find(key) is not None

    def missing(self, keys: Iterable[bytes]) -> list[bytes]:
        """The distinct keys that are not stored, in order of first appearance."""
        return [key for key in dict.fromkeys(keys) if key not in self]

    def append(self, keys: Sequence[bytes], rows: pa.Table) -> None:
        """Store one row per key, all or nothing.

        Raises:
            OSError: If the disk is full; nothing is half-written then.
        """
        if not keys:
            return
        table = rows.cast(self.schema).add_column(
            0, self._file_schema.field(0), pa.array(keys, pa.binary(KEY_BYTES))
        )
        segment = len(self._segments)
        self._segments.append(self._write(keys, table) if self.keep else table)
        for row, key in enumerate(keys):
            self._new[key] = (segment, row)
        if self.keep and len(self._new) > max(_FOLD, len(self._high) // 4):
            self._fold()

    def forget(self) -> None:
        """Drop the rows that are held in memory only."""
        if not self.keep:
            del self._segments[self._written :]
            self._new = {}

    def take(self, keys: Sequence[bytes], columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of ``keys``, in their order.

        Raises:
            MissingKeyError: If a key is not stored.
        """
        names = list(self.schema.names) if columns is None else list(columns)
        wanted = pa.schema([self.schema.field(name) for name in names])
        if not keys:
            return wanted.empty_table()
        places = np.empty((len(keys), 2), np.int64)
        for position, key in enumerate(keys):
            place = self._find(key)
            if place is None:
                raise MissingKeyError(key.hex())
            places[position] = place
        used = np.unique(places[:, 0])
        parts = []
        for segment in used:
            rows = places[places[:, 0] == segment, 1]
            parts.append(self._segments[segment].select(names).take(pa.array(rows)))
        found = pa.concat_tables(parts).combine_chunks()
        grouped = np.argsort(np.searchsorted(used, places[:, 0]), kind="stable")
        order = np.empty(len(keys), np.int64)
        order[grouped] = np.arange(len(keys))
        return found.take(pa.array(order)).cast(wanted)

    def _write(self, keys: Sequence[bytes], table: pa.Table) -> pa.Table:
        path = self.folder / (hashlib.sha256(b"".join(keys)).hexdigest()[:24] + ".arrow")
        self.folder.mkdir(parents=True, exist_ok=True)
        write_arrow(table, path)
        return _open_segment(path)

    def _find(self, key: bytes) -> tuple[int, int] | None:
        place = self._new.get(key)
        if place is not None:
            return place
        high, low = _halves(key)
        start = int(np.searchsorted(self._high, high))
        while start < len(self._high) and self._high[start] == high:
            if self._low[start] == low:
                segment, row = self._place[start]
                return int(segment), int(row)
            start += 1
        return None

    def _fold(self) -> None:
        """Move the index of the new rows from the dictionary into the sorted arrays."""
        halves = np.frombuffer(b"".join(self._new), np.uint64).reshape(-1, 2)
        places = np.array(list(self._new.values()), np.int32)
        self._index(
            np.concatenate([np.stack([self._high, self._low], axis=1), halves]),
            np.concatenate([self._place, places]),
        )
        self._new = {}

    def _index(self, halves: np.ndarray, places: np.ndarray) -> None:
        order = np.argsort(halves[:, 0], kind="stable")
        self._high, self._low = halves[order, 0], halves[order, 1]
        self._place = places[order]

    def _load(self) -> None:
        keys: list[np.ndarray] = []
        places: list[np.ndarray] = []
        for path in sorted(self.folder.glob("*.arrow")) if self.folder.is_dir() else []:
            try:
                table = _open_segment(path)
                if not table.schema.equals(self._file_schema):
                    raise pa.ArrowInvalid("other columns than expected")
            except (pa.ArrowException, OSError) as error:
                log.warning("store: %s is unreadable and will be computed again (%s)", path, error)
                continue
            column = pc.cast(table[KEY], pa.binary()).to_pylist()
            keys.append(np.frombuffer(b"".join(column), np.uint64).reshape(-1, 2))
            rows = np.arange(len(column), dtype=np.int32)
            places.append(np.stack([np.full_like(rows, len(self._segments)), rows], axis=1))
            self._segments.append(table)
        if keys:
            self._index(np.concatenate(keys), np.concatenate(places))


def write_arrow(table: pa.Table, path: Path) -> None:
    """Write an Arrow file under a temporary name, flush it to disk, rename it."""
    with (
        atomic_path(path) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_file(sink, table.schema) as writer,
    ):
        writer.write_table(table)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place only if all went well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _open_segment(path: Path) -> pa.Table:
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def _halves(key: bytes) -> tuple[np.uint64, np.uint64]:
    high, low = np.frombuffer(key, np.uint64)
    return high, low
