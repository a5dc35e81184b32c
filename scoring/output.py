"""Files of a run as they grow: streamed under a temporary name, put in place when complete."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scoring.run import SAMPLES

if TYPE_CHECKING:
    from scoring.images import ImageStage
    from scoring.shards import Shard

THUMBNAILS = pa.schema([("key", pa.binary(16)), ("thumbnail", pa.binary())])
SPACES = ("image", "text")


class GrowingFile(Protocol):
    """What is written piece by piece and is there whole or not at all."""

    def close(self) -> None:
        """Complete the file and put it in its place."""

    def abandon(self) -> None:
        """Remove what was written."""


class ParquetStream:
    """A Parquet file written in row groups under a temporary name."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.path = path
        self.schema = schema
        self._temporary = path.with_name(f".{path.name}.partial")
        self._writer = pq.ParquetWriter(self._temporary, schema, compression="zstd")

    def write(self, columns: dict[str, Any]) -> None:
        """Add one row group; a column is an Arrow array or a list."""
        arrays = [
            value.combine_chunks() if isinstance(value, pa.ChunkedArray) else value
            for value in (columns[name] for name in self.schema.names)
        ]
        arrays = [
            value if isinstance(value, pa.Array) else pa.array(value, kind)
            for value, kind in zip(arrays, self.schema.types, strict=True)
        ]
        self._writer.write_table(pa.table(arrays, schema=self.schema))

    def close(self) -> None:
        """Complete the file and put it in its place."""
        self._writer.close()
        self._temporary.replace(self.path)

    def abandon(self) -> None:
        """Remove what was written."""
        with suppress(OSError):  # on a full disk there is no room for the last bytes either
            self._writer.close()
        self._writer.is_open = False  # or its destructor tries once more, and complains
        self._temporary.unlink(missing_ok=True)


class VectorFile:
    """Write a .npy file of unknown length row by row, with memory for one block only."""

    def __init__(self, path: Path, dim: int) -> None:
        self.path = path
        self.dim = dim
        self.rows = 0
        self._temporary = path.with_name(f".{path.name}.partial")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = self._temporary.open("wb")
        self._header()

    def _header(self) -> None:
        # numpy pads headers so that the row count can grow in place without moving the data
        header = {"descr": "<f2", "fortran_order": False, "shape": (self.rows, self.dim)}
        np.lib.format.write_array_header_1_0(self._handle, header)

    def append(self, block: np.ndarray) -> None:
        """Add (n, dim) rows."""
        self._handle.write(np.ascontiguousarray(block, "<f2").tobytes())
        self.rows += len(block)

    def close(self) -> None:
        """Write the true row count and put the file in its place."""
        self._handle.seek(0)
        self._header()
        self._handle.close()
        self._temporary.replace(self.path)

    def abandon(self) -> None:
        """Remove what was written."""
        with suppress(OSError):
            self._handle.close()
        self._temporary.unlink(missing_ok=True)


def sample_columns(shard: Shard) -> dict[str, Any]:
    """What is known of the rows of a shard: the columns of :data:`~scoring.run.SAMPLES`."""
    samples = shard.samples
    return {
        "id": [sample.id for sample in samples],
        "row": [sample.row for sample in samples],
        "where": [sample.where for sample in samples],
        "source": [sample.source for sample in samples],
        "instruction": [sample.instruction for sample in samples],
        "response": [sample.response for sample in samples],
        "turns": [len(sample.turns) for sample in samples],
        "image_names": [[ref.name for ref in sample.images] for sample in samples],
        "image_keys": shard.image_keys,
        "content": shard.contents,
        "status": shard.status,
        "error": shard.errors,
        "label": [sample.label for sample in samples],
    }


def score_columns(
    shard: Shard, columns: dict[str, pa.Array], notes: Sequence[Sequence[str]]
) -> dict[str, Any]:
    """The rows of a shard as the ScoreTable has them, pool metrics not yet among them."""
    return {
        "id": [sample.id for sample in shard.samples],
        **columns,
        "status": shard.status,
        "error": shard.errors,
        "notes": ["; ".join(row) or None for row in notes],
    }


def score_schema(metrics: pa.Schema) -> pa.Schema:
    """Columns of the ScoreTable around those of the metrics."""
    ends = [pa.field(name, pa.string()) for name in ("status", "error", "notes")]
    return pa.schema([pa.field("id", pa.string()), *metrics, *ends])


class RunWriter:
    """All files of a run that grow with the shards.

    Args:
        folder: The run folder.
        schema: Columns of the metrics.
        dim: Length of the vectors; ``None``: no vectors are written.
        images: Where thumbnails come from; ``None``: no thumbnails are written.
    """

    def __init__(
        self, folder: Path, schema: pa.Schema, dim: int | None, images: ImageStage | None
    ) -> None:
        self._samples = ParquetStream(folder / "samples.parquet", SAMPLES)
        self._scores = ParquetStream(folder / "scores.parquet", score_schema(schema))
        self._thumbnails = ParquetStream(folder / "thumbnails.parquet", THUMBNAILS)
        self._vectors = [
            VectorFile(folder / "embeddings" / f"{name}.npy", dim)
            for name in SPACES
            if dim is not None
        ]
        if dim is None:
            for name in SPACES:
                (folder / "embeddings" / f"{name}.npy").unlink(missing_ok=True)
        self._images = images
        self._pictured: set[bytes] = set()

    def write(
        self,
        shard: Shard,
        columns: dict[str, pa.Array],
        notes: Sequence[Sequence[str]],
        vectors: Sequence[np.ndarray],
    ) -> None:
        """Add the rows of a shard to every file."""
        self._samples.write(sample_columns(shard))
        self._scores.write(score_columns(shard, columns, notes))
        for file, block in zip(self._vectors, vectors, strict=True):
            file.append(block)
        if self._images is not None:
            self._write_thumbnails(shard, self._images)

    def _write_thumbnails(self, shard: Shard, images: ImageStage) -> None:
        first = dict.fromkeys(key for row in shard.image_keys for key in row[:1])
        fresh = [key for key in first if key not in self._pictured]
        self._pictured.update(fresh)
        pictures = images.facts.take(fresh, ["thumbnail"])["thumbnail"]
        self._thumbnails.write({"key": fresh, "thumbnail": pictures})

    def _files(self) -> list[GrowingFile]:
        return [self._samples, self._scores, self._thumbnails, *self._vectors]

    def close(self) -> None:
        """Put all files in their places."""
        for file in self._files():
            file.close()

    def abandon(self) -> None:
        """Remove what was written; what the stores hold stays and is used next time."""
        for file in self._files():
            file.abandon()
