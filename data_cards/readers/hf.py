# ruff: noqa: D102 (the methods of a format are documented once, in base.Format)
"""What the ``datasets`` library opens: saved folders, local folders, and the Hugging Face hub."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.columns import recognise_columns
from data_cards.errors import BadInputError
from data_cards.readers.base import Wanted, register_format
from data_cards.readers.parquet import batch_records, mapped_names, row_sample
from data_cards.records import RecordReader
from data_cards.replacing import refuse_overwriting, replacing

if TYPE_CHECKING:
    from data_cards.sample import Sample
    from data_cards.source import Source

PREFIX = "hf://"
_BATCH = 64


def is_saved(path: Path) -> bool:
    """Whether ``Dataset.save_to_disk`` or ``DatasetDict.save_to_disk`` made this folder."""
    single = (path / "dataset_info.json").is_file() and (path / "state.json").is_file()
    return single or (path / "dataset_dict.json").is_file()


@register_format
class HuggingFace:
    """Images stay encoded; Arrow storage is read, so that nothing is decoded twice."""

    name = "hf"
    summary = "`datasets.save_to_disk` folder, `hf://owner/name[:config]`, or (stated) any folder"

    def recognise(self, path: Path) -> str | None:
        if path.is_dir() and is_saved(path):
            return "a folder written by datasets.save_to_disk"
        return None

    def fields(self, source: Source) -> list[str]:
        dataset = _load(source)
        if dataset.features is not None:
            return list(dataset.features)
        return [name for record in dataset.take(1) for name in record]

    def columns(self, fields: Sequence[str]) -> dict[str, str]:
        return recognise_columns(fields)

    def read(self, source: Source) -> Iterator[Sample]:
        reader = RecordReader(
            source.columns, source.name, source.image_root, source.default_instruction
        )
        row = 0
        for table in _tables(_load(source), source):
            names = mapped_names(source, table.column_names)
            for record in batch_records(table.select(names)):
                yield row_sample(reader, record, row, f"{source.name}:row {row}")
                row += 1

    def copy_rows(
        self, source: Source, rows: Sequence[int], out_dir: Path, copy_images: bool
    ) -> list[Path]:
        wanted = Wanted(rows, source.path)
        dataset = _load(source)
        if not source.is_remote and is_saved(source.file):
            wanted.check(len(dataset))
            target = out_dir / source.file.resolve().name
            refuse_overwriting(target, self.files(source))
            temporary = out_dir / f".{target.name}.tmp"
            shutil.rmtree(temporary, ignore_errors=True)
            dataset.select(sorted(wanted.rows)).save_to_disk(temporary)
            shutil.rmtree(target, ignore_errors=True)
            temporary.replace(target)
            return [target]
        target = out_dir / f"{source.name}.parquet"
        _write_parquet(dataset, source, wanted, target)
        return [target]

    def files(self, source: Source) -> list[Path]:
        if source.is_remote:
            return []
        return sorted(p for p in source.file.rglob("*") if p.is_file())

    def count_hint(self, source: Source) -> int | None:
        if source.is_remote or not is_saved(source.file):
            return None
        return len(_load(source))


def _load(source: Source) -> Any:
    """Load one split.

    Raises:
        BadInputError: It cannot be loaded, or there are several splits and none was named.
    """
    import datasets

    try:
        if source.is_remote:
            name, _, config = str(source.path).removeprefix(PREFIX).partition(":")
            loaded = datasets.load_dataset(
                name, source.config or config or None, streaming=source.streaming
            )
        elif is_saved(source.file):
            loaded = datasets.load_from_disk(str(source.file))
        else:
            loaded = datasets.load_dataset(
                str(source.file), source.config, streaming=source.streaming
            )
    except Exception as error:  # a dozen kinds, from the network to the parser
        said = " ".join(str(error).split())[:300]
        raise BadInputError(
            f"datasets cannot load {source.path}: {type(error).__name__}: {said}",
            "Check the name, the configuration and the connection.",
        ) from error
    if not isinstance(loaded, dict):
        return loaded
    if source.split is not None and source.split in loaded:
        return loaded[source.split]
    if source.split is None and len(loaded) == 1:
        return next(iter(loaded.values()))
    found = ", ".join(map(str, loaded))
    problem = "several splits" if source.split is None else f"no split {source.split!r}"
    raise BadInputError(f"{source.path} has {problem}", f"Choose one with split=: {found}.")


def _tables(dataset: Any, source: Source) -> Iterator[Any]:
    """Arrow tables of the storage (an image is a struct of bytes and path), 64 rows each."""
    done = 0
    try:
        for table in dataset.with_format("arrow").iter(batch_size=_BATCH):
            yield table
            done += table.num_rows
    except BadInputError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:300]
        raise BadInputError(
            f"{source.path}: datasets stopped after row {done}: {type(error).__name__}: {said}"
        ) from error


def _write_parquet(dataset: Any, source: Source, wanted: Wanted, target: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = None if dataset.features is None else dataset.features.arrow_schema
    count, writer = 0, None
    with replacing(target) as out:
        tables = _tables(dataset, source)
        for table in tables if wanted.rows else islice(tables, 1):
            here = [r - count for r in sorted(wanted.rows) if count <= r < count + table.num_rows]
            if writer is None:
                schema = schema or table.schema
                writer = pq.ParquetWriter(out, schema)
            if here:
                writer.write_table(pa.table(table.take(here)).cast(schema))
            count += table.num_rows
            if count > wanted.last:
                break
        if writer is not None:
            writer.close()
        wanted.check(count)
