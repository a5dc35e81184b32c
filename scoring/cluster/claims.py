"""Which shard scores what: equal samples are scored once, wherever they stand."""

from __future__ import annotations

from scoring.store import KEY_BYTES

ANYBODY = ""
"""Stands for all workers of a run: what was stored before it began is seen by each."""
NOBODY = "nobody"
"""Stands for a worker that is gone: others see what it stored when they open the stores anew."""


class Claims:
    """Who scores which content; one actor beside the driver, asked by every worker.

    A content belongs to the shard that claims it first. What another shard has claimed may be read
    from the stores by the worker that stored it, at once; by others only when they open the stores
    anew.
    """

    def __init__(self) -> None:
        self._owner: dict[bytes, int] = {}
        self._stored: dict[int, str] = {}

    def claim(self, number: int, contents: bytes, worker: str) -> bytes:
        """Claim for a shard what nobody has.

        Args:
            number: Of the shard; asked a second time, what it has stays its own.
            contents: Keys of its good samples, joined.
            worker: Who asks.

        Returns:
            The keys, joined, that belong to other shards and that this worker cannot read now.
        """
        foreign = []
        for key in dict.fromkeys(split(contents)):
            owner = self._owner.setdefault(key, number)
            if owner != number and self._stored.get(owner) not in (worker, ANYBODY):
                foreign.append(key)
        return b"".join(foreign)

    def stored(self, number: int, worker: str) -> None:
        """What the shard claimed is in the stores; who wrote it reads it."""
        self._stored[number] = worker


def split(joined: bytes) -> list[bytes]:
    """Keys, one by one."""
    return [joined[i : i + KEY_BYTES] for i in range(0, len(joined), KEY_BYTES)]
