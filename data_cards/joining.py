"""Records of one format from two files, put together as one file; copied, never rebuilt."""

from __future__ import annotations

import shutil
from pathlib import Path

from data_cards.errors import BadInputError
from data_cards.json_stream import is_array, iter_records
from data_cards.readers.delimited import guess_delimiter, iter_delimited
from data_cards.replacing import replacing

JSON = ("llava", "sharegpt", "openai", "json")
_COPY = 1 << 20


def can_join(first: Path, second: Path, format: str) -> bool:
    """Whether the records of two files of a format can stand in one file.

    JSON arrays with arrays, JSON Lines with JSON Lines, text tables with the same header,
    Parquet files with the same columns. Other formats (tars, folders, the hub) stay apart.
    """
    if not (first.is_file() and second.is_file()):
        return False
    try:
        if format in ("csv", "tsv"):
            return _header(first) == _header(second)
        if format == "parquet":
            import pyarrow.parquet as pq

            return pq.read_schema(first).equals(pq.read_schema(second))
        return format in JSON and is_array(first) == is_array(second)
    except (BadInputError, OSError, ValueError):
        return False


def join_files(first: Path, second: Path, target: Path, format: str) -> None:
    """Write the records of both, first the first's, each as it stands.

    Args:
        first: Complete file.
        second: Another that :func:`can_join` allows.
        target: Where to; may be ``first``.
        format: Name of their format.
    """
    if format == "parquet":
        _join_parquet(first, second, target)
    elif format in ("csv", "tsv"):
        with replacing(target, "w") as out:
            for number, path in enumerate((first, second)):
                for row, record in enumerate(iter_delimited(path, guess_delimiter(path))):
                    if number == 0 or row > 0:
                        ending = "" if record.text.endswith(("\n", "\r")) else "\n"
                        out.write(record.text + ending)
    elif is_array(first):
        with replacing(target, "w") as out:
            separator = "[\n"
            for path in (first, second):
                for item in iter_records(path):
                    out.write(separator + item.text)
                    separator = ",\n"
            out.write("\n]\n" if separator == ",\n" else "[]\n")
    else:
        with replacing(target) as out:
            for path in (first, second):
                with path.open("rb") as lines:
                    shutil.copyfileobj(lines, out, _COPY)
                    if lines.tell() and not _ends_with_break(path):
                        out.write(b"\n")


def _ends_with_break(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) == b"\n"


def _header(path: Path) -> tuple[str, list[str]]:
    delimiter = guess_delimiter(path)
    record = next(iter_delimited(path, delimiter), None)
    return delimiter, record.fields if record is not None else []


def _join_parquet(first: Path, second: Path, target: Path) -> None:
    import pyarrow.parquet as pq

    with (
        pq.ParquetFile(first) as head,
        pq.ParquetFile(second) as tail,
        replacing(target) as out,
        pq.ParquetWriter(out, head.schema_arrow) as writer,
    ):
        for table in (head, tail):
            for group in range(table.num_row_groups):
                writer.write_table(table.read_row_group(group).cast(head.schema_arrow))
