"""What goes into one pass, so that little is padded and few passes are made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from finetune.evaluate.sequences import Prompt, Reply

_REPLY_TOKENS = 2048
"""Padded reply tokens in one pass; each costs one row of logits over the whole vocabulary."""
_PADDING = 50
"""Padded tokens that cost as much as another pass, which reads all weights."""
_WASTE = 0.15
"""Share of padding among the prompts of one pass from which another pass is worth its price."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One prompt with the replies to score after it.

    Attributes:
        prompt: Its ``vision`` as :meth:`ImageFeatures.see` gives it.
        replies: One or more.
    """

    prompt: Prompt
    replies: tuple[Reply, ...]


def batches(asks: Sequence[Ask], size: int, *, equal: bool = False) -> Iterator[list[int]]:
    """Rows of asks that share a pass: as many replies, prompts of about the same length.

    Args:
        asks: In any order.
        size: Most prompts in one pass.
        equal: Whether the prompts of a pass must have the very same length.
    """
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    widths = [max(len(reply.ids) for reply in ask.replies) for ask in asks]
    for row, ask in enumerate(asks):
        prompt = ask.prompt
        exact = len(prompt.ids) if equal else 0
        kind = (len(ask.replies), bool(prompt.vision), exact)
        groups[kind].append(row)
    for (replies, *_), rows in sorted(groups.items()):
        batch: list[int] = []
        real = 0
        for row in sorted(rows, key=lambda row: (len(asks[row].prompt.ids), widths[row])):
            length = len(asks[row].prompt.ids)
            after = (len(batch) + 1) * replies * max(widths[r] for r in [*batch, row])
            waste = (len(batch) + 1) * length - real - length
            if batch and (
                len(batch) >= size or after > _REPLY_TOKENS or waste > _WASTE * (real + length)
            ):
                yield batch
                batch, real = [], 0
            batch.append(row)
            real += length
        if batch:
            yield batch


def alike(replies: Sequence[Reply]) -> list[list[int]]:
    """Rows by length of reply, cut where a pass of its own costs less than the padding."""
    order = sorted(range(len(replies)), key=lambda row: (len(replies[row].ids), row))
    parts: list[list[int]] = [[]]
    for row in order:
        shortest = len(replies[parts[-1][0]].ids) if parts[-1] else 0
        if parts[-1] and (len(replies[row].ids) - shortest) * len(parts[-1]) > _PADDING:
            parts.append([])
        parts[-1].append(row)
    return parts
