"""What workers are given: shards as they are read, then whatever the driver puts into a mailbox."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from data_cards.sample import Sample
from scoring.cluster.parts import packed
from scoring.cluster.workers import ALL_READ, IMAGES, go_home

Read = Callable[[], Iterable[Sample]]
Item = tuple[int, int, bytes]
"""Phase, number of the shard, and what belongs to it."""


class Mailbox:
    """An actor that keeps the driver's items in their order.

    Whoever reads asks by position, so that a reader that is started anew gives the same again.
    """

    def __init__(self) -> None:
        self._items: list[Item] = []
        self._closed = False
        self._changed = asyncio.Condition()

    async def put(self, items: Sequence[Item], last: bool) -> None:
        """Add items; with ``last`` none will follow."""
        async with self._changed:
            self._items.extend(items)
            self._closed = last
            self._changed.notify_all()

    async def get(self, place: int) -> Item | None:
        """The item at a place, waited for; ``None`` when there will be none."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._items) > place or self._closed)
            return self._items[place] if place < len(self._items) else None


def open_mailbox() -> Any:
    """Start a :class:`Mailbox` on the node of the driver: if that is lost, so is the run."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor: Any = ray.remote(Mailbox)
    return actor.options(num_cpus=0, scheduling_strategy=here).remote()


def items_of(read: Read, rows: int, home: Path, mailbox: Any) -> Any:
    """A Ray Data set of items of work, one a row: ``phase``, ``number``, ``data``.

    One task reads the samples, wherever Ray puts it, and hands each shard on as soon as it is full,
    then one item of :data:`ALL_READ` with their number. Another hands on what comes into the
    mailbox: its items are small, so that they lie with the driver and are never lost with a node,
    which it could not make good while it waits.

    Args:
        read: Gives the samples; it and what it holds travel to the node that reads.
        rows: Samples of a shard.
        home: The driver's working directory.
        mailbox: A :class:`Mailbox`.
    """
    import ray
    from ray.data import Datasource, ReadTask
    from ray.data.block import BlockMetadata

    def shards() -> Iterator[pa.Table]:
        go_home(home)
        number = 0
        for chunk in _chunks(read(), rows):
            yield _block(IMAGES, number, packed(chunk))
            number += 1
        yield _block(ALL_READ, number, b"")

    def letters() -> Iterator[pa.Table]:
        place = 0
        while (item := ray.get(mailbox.get.remote(place))) is not None:
            yield _block(*item)
            place += 1

    class Items(Datasource):
        """Two streaming read tasks."""

        def estimate_inmemory_data_size(self) -> int | None:
            return None

        def get_read_tasks(self, *args: Any, **kwargs: Any) -> list[ReadTask]:
            unknown = BlockMetadata(
                num_rows=None, size_bytes=None, exec_stats=None, input_files=None
            )
            return [ReadTask(shards, unknown), ReadTask(letters, unknown)]

    return ray.data.read_datasource(Items(), override_num_blocks=2, num_cpus=0)


def _block(phase: int, number: int, data: bytes) -> pa.Table:
    return pa.table(
        {
            "phase": pa.array([phase], pa.int64()),
            "number": pa.array([number], pa.int64()),
            "data": pa.array([data], pa.large_binary()),
        }
    )


def _chunks(samples: Iterable[Sample], rows: int) -> Iterator[list[Sample]]:
    stream = iter(samples)
    while chunk := list(islice(stream, rows)):
        yield chunk
