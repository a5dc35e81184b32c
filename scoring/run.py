"""A run: one folder that holds what is known about one pool of samples.

``samples.parquet`` (what each row is), ``scores.parquet`` (the ScoreTable), ``embeddings/*.npy``
(memory-mapped float16, one row per sample), ``artefacts/*.npy`` (fitted arrays, such as a PCA),
``thumbnails.parquet`` and ``run.json``, which is written last: a folder without it is unfinished.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data_cards.errors import BadInputError
from scoring.metric import Column, registry

FORMAT_VERSION = 1
SAMPLES = pa.schema(
    [
        ("id", pa.string()),
        ("row", pa.int64()),
        ("where", pa.string()),
        ("source", pa.string()),
        ("instruction", pa.string()),
        ("response", pa.string()),
        ("turns", pa.int32()),
        ("image_names", pa.list_(pa.string())),
        ("image_keys", pa.list_(pa.binary(16))),
        ("content", pa.binary(16)),
        ("status", pa.string()),
        ("error", pa.string()),
        ("label", pa.string()),
    ]
)
"""``content`` hashes instruction, response and image bytes; ``status`` is "ok" or "bad".

``label`` is the class of a picture, null for pairs; older runs lack it, and null is read there.
"""


@dataclass(frozen=True)
class Run:
    """An existing run folder, opened for reading.

    Attributes:
        folder: Where it lies.
        manifest: The content of ``run.json``.
    """

    folder: Path
    manifest: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> Run:
        """Open a finished run.

        Raises:
            BadInputError: If there is none, it is unfinished, or from a newer pickwell.
        """
        path = folder / "run.json"
        if not path.is_file():
            unfinished = (folder / "samples.parquet").exists() or any(folder.glob(".*.partial"))
            raise BadInputError(
                f"{folder} holds no finished run (no run.json).",
                "Type the same `pickwell score` command again: it goes on where it stopped."
                if unfinished
                else "Make one with `pickwell score DATA --out RUN`.",
            )
        try:
            manifest = json.loads(path.read_text("utf-8"))
            version = int(manifest["format_version"])
        except (ValueError, KeyError, TypeError) as error:
            raise BadInputError(
                f"{path} cannot be read: {error}.", "Score the data again."
            ) from error
        if version > FORMAT_VERSION:
            raise BadInputError(
                f"{path} was written by a newer pickwell (format {version}).", "Upgrade pickwell."
            )
        return cls(folder, manifest)

    @cached_property
    def scores(self) -> pa.Table:
        """The ScoreTable: ``id``, a column per metric column, ``status``, ``error``, ``notes``."""
        return self._table("scores.parquet")

    def samples(self, columns: list[str] | None = None) -> pa.Table:
        """What each row is, in input order (columns of :data:`SAMPLES`)."""
        stored, names = self._stored(columns)
        return _with_labels(self._table("samples.parquet", stored), names)

    def _table(self, name: str, columns: list[str] | None = None) -> pa.Table:
        try:
            return pq.read_table(self.folder / name, columns=columns, memory_map=True)
        except (pa.ArrowException, OSError) as error:
            said = str(error).splitlines()[0]
            raise BadInputError(
                f"{self.folder / name} cannot be read: {said}",
                "Type the same `pickwell score` command again: nothing is computed twice.",
            ) from error

    def iterate_samples(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """The same, a batch at a time."""
        stored, names = self._stored(columns)
        with pq.ParquetFile(self.folder / "samples.parquet") as file:
            for batch in file.iter_batches(columns=stored):
                yield _with_labels(batch, names)

    def _stored(self, columns: list[str] | None) -> tuple[list[str] | None, list[str] | None]:
        """Which columns to read; and which to give, where a label must be added to them."""
        if (columns is not None and "label" not in columns) or self._has_labels:
            return columns, None
        names = SAMPLES.names if columns is None else columns
        return [name for name in names if name != "label"], names

    @cached_property
    def _has_labels(self) -> bool:
        """Whether it was written since there are labels."""
        try:
            return "label" in pq.read_schema(self.folder / "samples.parquet").names
        except (pa.ArrowException, OSError):
            return True  # said in full by whoever reads it

    def embedding(self, name: str) -> np.ndarray | None:
        """``"image"`` or ``"text"``: (N, dim) float16 memory map, NaN rows where missing."""
        path = self.folder / "embeddings" / f"{name}.npy"
        return np.load(path, mmap_mode="r") if path.exists() else None

    def artefact(self, name: str) -> np.ndarray | None:
        """A fitted array that a metric stored with the run."""
        path = self.folder / "artefacts" / f"{name}.npy"
        return np.load(path, allow_pickle=False) if path.exists() else None

    def thumbnails(self, keys: Collection[bytes] | None = None) -> dict[bytes, bytes]:
        """Image key to the encoded thumbnail, read a row group at a time.

        Args:
            keys: Only these, in memory for them and one row group; ``None``: all.
        """
        path = self.folder / "thumbnails.parquet"
        if not path.exists():
            return {}
        wanted = None if keys is None else frozenset(keys)
        found: dict[bytes, bytes] = {}
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                held = file.read_row_group(group, columns=["key"])["key"].to_pylist()
                places = [n for n, key in enumerate(held) if wanted is None or key in wanted]
                if places:
                    column = file.read_row_group(group, columns=["thumbnail"])["thumbnail"]
                    found |= {held[n]: column[n].as_py() for n in places}
        return found

    def numeric(self) -> dict[str, np.ndarray]:
        """Every column of the ScoreTable that is a number or a truth value, as float64 with NaN."""
        return numeric_columns(self.scores)

    def columns(self) -> dict[str, Column]:
        """Declarations of the metric columns of this run, by name; imported ones are described."""
        imported = {
            name: Column(name, "imported by --import", direction="none")
            for name in self.manifest.get("imported", {}).get("columns", [])
        }
        known = declared_columns() | imported
        return {name: known[name] for name in self.scores.column_names if name in known}


def _with_labels(rows: Any, names: list[str] | None) -> Any:
    """A table or batch with the columns ``names``, the label null; ``None``: as it is."""
    if names is None:
        return rows
    return rows.append_column("label", pa.nulls(len(rows), pa.string())).select(names)


def numeric_columns(scores: pa.Table) -> dict[str, np.ndarray]:
    """Every column that is a number or a truth value, as float64 with NaN."""
    result = {}
    for field in scores.schema:
        if pa.types.is_floating(field.type) or pa.types.is_integer(field.type):
            column = scores[field.name].cast(pa.float64())
        elif pa.types.is_boolean(field.type):
            column = scores[field.name].cast(pa.int8()).cast(pa.float64())
        else:
            continue
        result[field.name] = column.to_numpy(zero_copy_only=False)
    return result


def declared_columns() -> dict[str, Column]:
    """The columns of all metrics, by name."""
    return {
        column.name: column
        for metric in registry().values()
        for column in metric.spec.columns  # type: ignore[attr-defined]
    }
