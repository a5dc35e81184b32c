# ruff: noqa: D102 (the methods of a format are documented once, in base.Format)
"""Parquet: one file or a folder of them; images as bytes, as {bytes, path}, or as paths."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.columns import recognise_columns
from data_cards.counted import counted
from data_cards.errors import BadInputError
from data_cards.readers.base import Wanted, register_format
from data_cards.readers.image_copies import copy_images_of
from data_cards.records import RecordReader, record_reader
from data_cards.replacing import refuse_overwriting, replacing

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from data_cards.sample import Sample
    from data_cards.source import Source

_BATCH = 64
"""Rows decoded at a time; few, since a row may hold an image."""


def parquet_files(path: Path) -> list[Path]:
    """The file, or the Parquet files in the folder, by name."""
    return sorted(path.glob("*.parquet")) if path.is_dir() else [path]


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open one file.

    Raises:
        BadInputError: It is not Parquet, or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # A read buffer streams the pages, rather than holding a whole column of images.
        return pq.ParquetFile(path, buffer_size=1 << 20)
    except (pa.ArrowException, OSError) as error:
        raise BadInputError(
            f"{path} is not a readable Parquet file: {str(error).splitlines()[0]}",
            "Download or write it again.",
        ) from error


@register_format
class Parquet:
    """Columns by mapping; only the mapped ones are read."""

    name = "parquet"
    summary = "file or folder; images as {bytes, path}, binary or path column"

    def recognise(self, path: Path) -> str | None:
        if path.is_dir():
            files = parquet_files(path)
            return f"a folder with {counted(len(files), 'Parquet file')}" if files else None
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return "a file that begins with PAR1 (Parquet)" if file.read(4) == b"PAR1" else None

    def fields(self, source: Source) -> list[str]:
        files = parquet_files(source.file)
        if not files:
            raise BadInputError(
                f"{source.file} holds no .parquet files",
                "Name the folder that does, or leave --format parquet out.",
            )
        with open_parquet(files[0]) as table:
            return list(table.schema_arrow.names)

    def columns(self, fields: Sequence[str]) -> dict[str, str]:
        return recognise_columns(fields)

    def read(self, source: Source) -> Iterator[Sample]:
        row = 0
        for path in parquet_files(source.file):
            with open_parquet(path) as table:
                reader = record_reader(source, classes=class_names(table.schema_arrow))
                names = mapped_names(source, table.schema_arrow.names)
                for local, record in enumerate(_records(table, names, path)):
                    yield row_sample(reader, record, row, f"{path.name}:row {local}")
                    row += 1

    def copy_rows(
        self, source: Source, rows: Sequence[int], out_dir: Path, copy_images: bool
    ) -> list[Path]:
        files = parquet_files(source.file)
        wanted = Wanted(rows, source.path)
        written, start = [], 0
        for path in files:
            with open_parquet(path) as table:
                count = table.metadata.num_rows
                here = sorted(r - start for r in wanted.rows if start <= r < start + count)
                if here or len(files) == 1:
                    target = out_dir / path.name
                    refuse_overwriting(target, files)
                    _copy(table, here, target)
                    written.append(target)
                start += count
        wanted.check(start)
        images = copy_images_of(source, rows, out_dir, bare="images") if copy_images else []
        return [*written, *images]

    def files(self, source: Source) -> list[Path]:
        return parquet_files(source.file)

    def count_hint(self, source: Source) -> int | None:
        count = 0
        for path in parquet_files(source.file):
            with open_parquet(path) as table:
                count += table.metadata.num_rows
        return count


def _records(table: pq.ParquetFile, names: list[str], path: Path) -> Iterator[dict[str, Any] | str]:
    import pyarrow as pa

    if not names:
        yield from ({} for _ in range(table.metadata.num_rows))
        return
    done = 0
    try:
        for batch in table.iter_batches(batch_size=_BATCH, columns=names):
            for record in batch_records(batch):
                yield record
                done += 1
    except (pa.ArrowException, OSError) as error:
        raise BadInputError(
            f"{path} is damaged after row {done}: {str(error).splitlines()[0]}",
            "Download or write it again.",
        ) from error


def mapped_names(source: Source, names: Sequence[str]) -> list[str]:
    """Those of the columns that the mapping asks for; the others are never read."""
    mapped = {name for field in source.columns.values() for name in field.split("|") if name}
    return [name for name in names if name in mapped]


def class_names(schema: pa.Schema) -> dict[str, list[str]]:
    """Column to the names of its classes, as ``datasets`` writes them into a file's schema."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {
            name: list(map(str, feature["names"]))
            for name, feature in features.items()
            if isinstance(feature, dict)
            and feature.get("_type") == "ClassLabel"
            and isinstance(feature.get("names"), list)
        }
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        return {}  # written by something else


def row_sample(reader: RecordReader, record: dict[str, Any] | str, row: int, where: str) -> Sample:
    """The sample of a record, or of the reason why there is none (see :func:`batch_records`)."""
    if isinstance(record, str):
        return reader.bad(row, where, record)
    return reader.sample(record, row, where)


def batch_records(batch: Any) -> list[dict[str, Any] | str]:
    """Rows of an Arrow record batch as Python objects; text that is not UTF-8 spoils its row only.

    Returns:
        One mapping per row, or the reason why the row cannot be had.
    """
    try:
        return batch.to_pylist()
    except (UnicodeDecodeError, ValueError, OverflowError):
        rows: list[dict[str, Any] | str] = []
        for i in range(batch.num_rows):
            try:
                rows.append(batch.slice(i, 1).to_pylist()[0])
            except (UnicodeDecodeError, ValueError, OverflowError) as error:
                rows.append(f"the row cannot be decoded: {error}")
        return rows


def _copy(table: pq.ParquetFile, rows: list[int], target: Path) -> None:
    """Write rows (sorted, local) with the schema, its metadata and the codecs of the original."""
    import pyarrow.parquet as pq

    schema = table.schema_arrow
    codec = "snappy"
    if table.metadata.num_row_groups and table.metadata.num_columns:
        codec = table.metadata.row_group(0).column(0).compression.lower()
        codec = "none" if codec == "uncompressed" else codec
    with (
        replacing(target) as out,
        pq.ParquetWriter(out, schema, compression=codec) as writer,
    ):
        start = 0
        for group in range(table.metadata.num_row_groups):
            count = table.metadata.row_group(group).num_rows
            here = [r - start for r in rows if start <= r < start + count]
            if here:
                writer.write_table(table.read_row_group(group).take(here).cast(schema))
            start += count
