"""Finished shards, put together in their order to the files of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from data_cards.errors import BadInputError
from scoring.cluster.parts import Parts
from scoring.engine import EngineOptions
from scoring.mapper import Mapper
from scoring.output import SPACES, THUMBNAILS, GrowingFile, ParquetStream, VectorFile, score_schema
from scoring.run import SAMPLES

Progress = Callable[[str, int, int | None], None]


def assemble(
    parts: Parts,
    count: int,
    folder: Path,
    mapper: Mapper,
    options: EngineOptions,
    on_progress: Progress,
) -> None:
    """Write the files that :class:`scoring.output.RunWriter` writes, byte for byte.

    Args:
        parts: Where the shards lie.
        count: How many there are.
        folder: The run folder.
        mapper: Knows the columns; it computes nothing here.
        options: Of the engine.
        on_progress: Called with ``("put together", shards, count)``.
    """
    encoder = mapper.images.encoder
    tables = {
        "samples.parquet": ParquetStream(folder / "samples.parquet", SAMPLES),
        "scores.parquet": ParquetStream(folder / "scores.parquet", score_schema(mapper.schema())),
        "thumbnails.parquet": ParquetStream(folder / "thumbnails.parquet", THUMBNAILS),
    }
    vectors = {}
    for name in SPACES:
        path = folder / "embeddings" / f"{name}.npy"
        if encoder is None:
            path.unlink(missing_ok=True)
        else:
            vectors[name] = VectorFile(path, encoder.dim)
    files: list[GrowingFile] = [*tables.values(), *vectors.values()]
    pictured: set[bytes] = set()
    try:
        for number in range(count):
            part = parts.scored_folder(number)
            for name, stream in tables.items():
                if name == "thumbnails.parquet" and not options.thumbnail:
                    continue
                table = pq.read_table(part / name)
                if name == "thumbnails.parquet":
                    keys = table["key"].to_pylist()
                    table = table.filter(np.array([key not in pictured for key in keys], bool))
                    pictured.update(keys)
                stream.write({column: table[column] for column in table.column_names})
            for name, growing in vectors.items():
                growing.append(np.load(part / "embeddings" / f"{name}.npy", mmap_mode="r"))
            on_progress("put together", number + 1, count)
        for file in files:
            file.close()
    except BaseException as error:
        for file in files:
            file.abandon()
        if isinstance(error, FileNotFoundError):
            raise BadInputError(
                f"{error.filename} is gone, which a worker wrote a moment ago.",
                "Let nothing else write there, and type the same again.",
            ) from error
        raise
