# ruff: noqa: D102 (the methods of a format are documented once, in base.Format)
"""What the ``datasets`` library opens: saved folders, local folders, and the Hugging Face hub."""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.columns import recognise_columns
from data_cards.errors import BadInputError, BadRowError
from data_cards.hub import HubData, explained
from data_cards.image_paths import ImageResolver
from data_cards.images import read_bytes
from data_cards.readers.base import Wanted, register_format
from data_cards.readers.image_copies import copy_images_of
from data_cards.readers.parquet import batch_records, mapped_names, row_sample
from data_cards.records import record_reader
from data_cards.replacing import refuse_overwriting, replacing

if TYPE_CHECKING:
    from data_cards.sample import Sample
    from data_cards.source import Source

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
        dataset = _load(source)
        reader = record_reader(source, classes=_class_names(dataset.features))
        row = 0
        for table in _tables(dataset, source):
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
        images = copy_images_of(source, rows, out_dir, bare="images") if copy_images else []
        return [target, *images]

    def files(self, source: Source) -> list[Path]:
        if source.is_remote:
            return []
        return sorted(p for p in source.file.rglob("*") if p.is_file())

    def count_hint(self, source: Source) -> int | None:
        if source.is_remote:
            return _rows_declared(_load(source))
        return len(_load(source)) if is_saved(source.file) else None


def _load(source: Source) -> Any:
    """Load one split.

    Raises:
        BadInputError: It cannot be loaded, or there are several splits and none was named.
    """
    if source.hub is not None and source.is_remote:
        return _load_hub(source.hub, source.config, source.split, source.streaming)
    import datasets

    try:
        if is_saved(source.file):
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
    return loaded[_split(loaded, source.split, source.path)] if isinstance(loaded, dict) else loaded


def _split(loaded: dict[str, Any], split: str | None, path: object) -> str:
    """The split that is meant."""
    if split is not None and split in loaded:
        return split
    if split is None and len(loaded) == 1:
        return next(iter(loaded))
    found = ", ".join(map(str, loaded))
    problem = "several splits" if split is None else f"no split {split!r}"
    raise BadInputError(f"{path} has {problem}", f"Choose one with --split: {found}.")


@lru_cache(maxsize=4)  # fields, rows and copies are asked for one after the other
def _load_hub(hub: HubData, subset: str | None, split: str | None, streaming: bool) -> Any:
    """One split of a repository at its commit.

    Raises:
        BadInputError: It cannot be loaded, or configuration or split are not there.
    """
    import datasets

    try:
        # Streaming lists files and downloads none: names are checked before anything is fetched.
        found = datasets.load_dataset(hub.id, subset, revision=hub.commit, streaming=True)
        name = _split(found, split, f"the data set {hub.id}")
        if streaming:
            return found[name]
        return datasets.load_dataset(hub.id, subset, split=name, revision=hub.commit)
    except BadInputError:
        raise
    except Exception as error:  # a dozen kinds, from the network to the parser
        problem = _subset_problem(error, hub, subset) or explained(error, hub.id, hub.asked)
        if problem is not None:
            raise problem from error
        said = " ".join(str(error).split())[:300]
        raise BadInputError(
            f"datasets cannot load {hub.id}: {type(error).__name__}: {said}",
            f"See {hub.url}; one file of it is read as hf://{hub.id}/FILE.",
        ) from error


def _subset_problem(error: Exception, hub: HubData, subset: str | None) -> BadInputError | None:
    """Which configurations there are, where none or a wrong one was named."""
    import datasets

    if not isinstance(error, ValueError) or not any(
        words in str(error) for words in ("BuilderConfig", "Config name is missing")
    ):
        return None
    try:
        names = datasets.get_dataset_config_names(hub.id, revision=hub.commit)
    except Exception:  # what was wrong first is said instead
        return None
    listed = ", ".join(names[:30]) + (", ..." if len(names) > 30 else "")
    if subset is None:
        return BadInputError(
            f"the data set {hub.id} has several configurations",
            f"Choose one with --subset: {listed}.",
        )
    near = difflib.get_close_matches(subset, names, 1, 0.5)
    guess = f"Did you mean {near[0]!r}? " if near else ""
    return BadInputError(
        f"the data set {hub.id} has no configuration {subset!r}", f"{guess}There are: {listed}."
    )


def _class_names(features: Any) -> dict[str, list[str]]:
    """Column to the names of its classes, where it is a ``ClassLabel`` that has them."""
    import datasets

    return {
        name: list(feature.names)
        for name, feature in (features or {}).items()
        if isinstance(feature, datasets.ClassLabel) and feature.names
    }


def _rows_declared(dataset: Any) -> int | None:
    """Rows as the repository's own card declares them; a download knows for certain."""
    if hasattr(dataset, "__len__"):
        return len(dataset)
    splits = getattr(dataset.info, "splits", None) or {}
    declared = splits.get(str(dataset.split))
    return int(declared.num_examples) if declared is not None and declared.num_examples else None


def _tables(dataset: Any, source: Source) -> Iterator[Any]:
    """Arrow tables of the storage (an image is a struct of bytes and path), 64 rows each."""
    done = 0
    if not hasattr(dataset, "__len__") and dataset.features:
        # A stream would decode pictures and encode them anew, and open whatever path a row names.
        dataset = dataset.decode(False)
    try:
        for table in dataset.with_format("arrow").iter(batch_size=_BATCH):
            yield table
            done += table.num_rows
    except BadInputError:
        raise
    except Exception as error:
        known = explained(error, source.hub.id, source.hub.asked) if source.hub else None
        said = known.message if known else f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise BadInputError(
            f"{source.path}: datasets stopped after row {done}: {said[:300]}",
            "Type the same again: what was computed is kept.",
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
                taken = pa.table(table.take(here))
                if source.is_remote:
                    taken = _embedded(taken, dataset.features, source)
                writer.write_table(taken.cast(schema))
            count += table.num_rows
            if count > wanted.last:
                break
        if writer is not None:
            writer.close()
        wanted.check(count)


def _embedded(table: Any, features: Any, source: Source) -> Any:
    """The rows with the bytes of images that they name by a path of their repository.

    Only columns of the type ``Image``, whose values then no longer depend on the hub. What is named
    otherwise (a file of the folder given for images, an address) stays as it is.
    """
    import pyarrow as pa

    resolver = ImageResolver(None, hub=source.hub_images)
    for place, field in enumerate(table.schema):
        if features is not None and _holds_images(features.get(field.name)):
            values = [_with_bytes(value, resolver) for value in table[field.name].to_pylist()]
            table = table.set_column(place, field, pa.array(values, field.type))
    return table


def _holds_images(feature: Any) -> bool:
    import datasets

    if isinstance(feature, list):
        return bool(feature) and _holds_images(feature[0])
    inner = getattr(feature, "feature", None)
    return isinstance(feature, datasets.Image) or (inner is not None and _holds_images(inner))


def _with_bytes(value: Any, resolver: ImageResolver) -> Any:
    if isinstance(value, list):
        return [_with_bytes(item, resolver) for item in value]
    if not isinstance(value, dict) or value.get("bytes") is not None or not value.get("path"):
        return value
    image = resolver.reference(value["path"])
    if image.error is not None:  # not in the repository
        return value
    try:
        data = read_bytes(image)
    except BadRowError as error:
        raise BadInputError(
            f"a chosen image cannot be copied: {error.reason}",
            "Check the connection, then select again.",
        ) from error
    return {"bytes": data, "path": value["path"].partition("::")[0].rpartition("/")[2]}
