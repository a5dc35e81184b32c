"""The order of the data: a pure function of ids, lengths, seed and epoch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

_POOLED = 8
"""Batches among which samples are sorted by length, to save padding."""


class EpochOrder:
    """A sampler whose order depends on the samples, the seed and the epoch, and nothing else.

    Neither the order of the input rows nor how a batch is divided (over forward passes, over
    processes) changes which samples an optimiser step sees.

    Args:
        ids: Id of each sample.
        lengths: Tokens of each sample.
        batch: Samples of one optimiser step, over all passes and processes.
        seed: Another seed, another order.
        multiple: An epoch is filled up to a multiple of this with ``len(ids)``, which stands for
            no sample. With several processes it is what one forward pass of all of them takes:
            they would otherwise share out the first samples a second time.
    """

    def __init__(
        self,
        ids: Sequence[str],
        lengths: Sequence[int],
        batch: int,
        seed: int,
        multiple: int = 1,
    ) -> None:
        self.ids, self.lengths, self.batch, self.seed = ids, lengths, batch, seed
        self.fillers = -len(ids) % multiple
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Count from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.ids) + self.fillers

    def __iter__(self) -> Iterator[int]:
        drawn = sorted(range(len(self.ids)), key=lambda row: self._draw("row", self.ids[row]))
        batches: list[list[int]] = []
        for start in range(0, len(drawn), self.batch * _POOLED):
            pool = drawn[start : start + self.batch * _POOLED]
            pool.sort(key=lambda row: self.lengths[row])
            batches += [pool[i : i + self.batch] for i in range(0, len(pool), self.batch)]
        whole = [batch for batch in batches if len(batch) == self.batch]
        rest = [batch for batch in batches if len(batch) < self.batch]
        whole.sort(key=lambda batch: self._draw("batch", self.ids[batch[0]]))
        rows = [row for batch in [*whole, *rest] for row in batch]
        return iter([*rows, *[len(self.ids)] * self.fillers])

    def _draw(self, what: str, id_: str) -> bytes:
        text = f"{self.seed}\x00{self.epoch}\x00{what}\x00{id_}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
