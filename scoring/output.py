"""Files of a run as they grow: streamed under a temporary name, put in place when complete."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


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
        self._writer.close()
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
        self._handle.close()
        self._temporary.unlink(missing_ok=True)
