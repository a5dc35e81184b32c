"""The records of a selection as a data repository holds them: one table, images inside."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError, BadRowError

if TYPE_CHECKING:
    from data_cards.downloader import Downloader
    from data_cards.sample import Sample
    from data_cards.source import Source

TABLE = "data/train-00000-of-00001.parquet"
"""What ``load_dataset`` opens."""
RECORDS = "records"
"""Folder of the records in the format that they came in."""
_BATCH = 32


def write_table(
    samples: Iterator[Sample],
    target: Path,
    picks: Mapping[str, Mapping[str, Any]],
    downloader: Downloader | None,
) -> int:
    """Write samples as Parquet with the images' bytes in it.

    Columns: ``id``, ``images`` (list of images), ``messages`` (list of ``role``, ``content``),
    ``source``, ``rank``, ``quality``, ``cluster``. No placeholder stands in the text.

    Args:
        samples: What was chosen.
        target: The file.
        picks: Id to its row of ``selection.parquet``.
        downloader: Fetches images that are addresses.

    Returns:
        The number of samples.

    Raises:
        BadInputError: A record or an image can no longer be read.
    """
    import datasets
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = datasets.Value("string")
    features = datasets.Features(
        {
            "id": text,
            "images": datasets.List(datasets.Image()),
            "messages": datasets.List({"role": text, "content": text}),
            "source": text,
            "rank": datasets.Value("int64"),
            "quality": datasets.Value("float64"),
            "cluster": datasets.Value("int32"),
        }
    )
    schema = features.arrow_schema
    target.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with pq.ParquetWriter(target, schema, compression="zstd") as writer:
        while chunk := list(islice(samples, _BATCH)):
            rows = [_row(sample, picks.get(sample.id, {}), downloader) for sample in chunk]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            count += len(rows)
    return count


def write_records(sources: list[Source], folder: Path, *, image_files: bool) -> None:
    """Copy the records as they came, and the image files that they name.

    Args:
        sources: Where they are; each of several gets a folder of its own.
        folder: Where to.
        image_files: Copy the image files too, under the names that the records use.
    """
    for number, source in enumerate(sources):
        rows = [sample.row for sample in source.samples()]
        place = folder if len(sources) == 1 else folder / f"part-{number}"
        source.copy_rows(rows, place, copy_images=image_files)


def whole_table(sources: list[Source]) -> Path | None:
    """The file of records, if it is one Parquet table that needs nothing beside it."""
    if len(sources) != 1 or sources[0].format != "parquet" or not sources[0].file.is_file():
        return None
    for sample in sources[0].samples():
        if sample.error is not None or any(ref.data is None for ref in sample.images):
            return None
    return sources[0].file


def copy_table(table: Path, target: Path) -> None:
    """Copy a file of records that :func:`whole_table` found."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(table, target)


def _row(sample: Sample, pick: Mapping[str, Any], downloader: Downloader | None) -> dict[str, Any]:
    from data_cards.images import read_bytes

    if sample.error is not None:
        raise BadInputError(
            f"{sample.where} can no longer be read: {sample.error}", "Select again."
        )
    try:
        images = [
            {"bytes": read_bytes(ref, downloader=downloader), "path": _file_name(ref.name)}
            for ref in sample.images
        ]
    except BadRowError as error:
        raise BadInputError(
            f"{sample.where}: {error.reason}",
            "Put the image back where it was when it was scored, then push again.",
        ) from error
    return {
        "id": sample.id,
        "images": images,
        "messages": [{"role": turn.role, "content": turn.text} for turn in sample.turns],
        "source": sample.source,
        **{name: pick.get(name) for name in ("rank", "quality", "cluster")},
    }


def _file_name(name: str) -> str | None:
    """The last part of an image's name; no local folder is told."""
    return name.replace("\\", "/").partition("?")[0].rpartition("/")[2][:120] or None
