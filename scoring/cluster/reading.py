"""The reader: a stream of samples as a Ray Data source of one row a shard."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from data_cards.sample import Sample
from scoring.cluster.parts import packed
from scoring.cluster.workers import go_home

Read = Callable[[], Iterable[Sample]]


def shards_of(read: Read, rows: int, home: Path) -> Any:
    """A Ray Data set of shards: ``number`` and the samples, packed.

    One task reads, wherever Ray puts it, and hands each shard on as soon as it is full.

    Args:
        read: Gives the samples; it and what it holds travel to the node that reads.
        rows: Samples of a shard.
        home: The driver's working directory.
    """
    import ray
    from ray.data import Datasource, ReadTask
    from ray.data.block import BlockMetadata

    def blocks() -> Iterator[pa.Table]:
        go_home(home)
        for number, chunk in enumerate(_chunks(read(), rows)):
            data = pa.array([packed(chunk)], pa.large_binary())
            yield pa.table({"number": pa.array([number], pa.int64()), "samples": data})

    class Samples(Datasource):
        """One streaming read task."""

        def estimate_inmemory_data_size(self) -> int | None:
            return None

        def get_read_tasks(self, *args: Any, **kwargs: Any) -> list[ReadTask]:
            unknown = BlockMetadata(
                num_rows=None, size_bytes=None, exec_stats=None, input_files=None
            )
            return [ReadTask(blocks, unknown)]

    return ray.data.read_datasource(Samples(), override_num_blocks=1, num_cpus=0)


def _chunks(samples: Iterable[Sample], rows: int) -> Iterator[list[Sample]]:
    stream = iter(samples)
    while chunk := list(islice(stream, rows)):
        yield chunk
