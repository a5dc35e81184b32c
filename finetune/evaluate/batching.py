"""What goes into one pass, so that little is padded and few passes are made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from finetune.evaluate.sequences import Prompt, Reply

_REPLY_TOKENS = 1024
"""Padded reply tokens in one pass; each costs one row of logits over the whole vocabulary."""
_PADDING = 50
"""Padded tokens that cost as much as another pass, which reads all weights."""
_WASTE = 0.15
"""Share of padding among the prompts of one pass from which another pass is worth its price."""
_KEPT = 512 * 2**20
"""Bytes of keys and values that are held at once without being asked."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One prompt with the replies to score after it.

    Attributes:
        prompt: Its ``vision`` as :meth:`ImageFeatures.see` gives it.
        replies: One or more.
        keep: Name under which the prompt, once read, is kept for generation.
    """

    prompt: Prompt
    replies: tuple[Reply, ...]
    keep: bytes | None = None


def batches(asks: Sequence[Ask], size: int, *, equal: bool = False) -> Iterator[list[int]]:
    """Rows of asks that share a pass: prompts of about the same length.

    Args:
        asks: In any order.
        size: Most prompts in one pass.
        equal: Whether the prompts of a pass must have the very same length, and as many replies.
    """
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    widths = [max(len(reply.ids) for reply in ask.replies) for ask in asks]
    for row, ask in enumerate(asks):
        exact = (len(ask.prompt.ids), len(ask.replies)) if equal else ()
        groups[bool(ask.prompt.vision), *exact].append(row)
    for _, rows in sorted(groups.items()):
        batch: list[int] = []
        real = replies = 0
        for row in sorted(rows, key=lambda row: (len(asks[row].prompt.ids), widths[row])):
            length, more = len(asks[row].prompt.ids), len(asks[row].replies)
            after = (replies + more) * max(widths[r] for r in [*batch, row])
            waste = (len(batch) + 1) * length - real - length
            if batch and (
                len(batch) >= size or after > _REPLY_TOKENS or waste > _WASTE * (real + length)
            ):
                yield batch
                batch, real, replies = [], 0, 0
            batch.append(row)
            real += length
            replies += more
        if batch:
            yield batch


def alike(replies: Sequence[Reply]) -> list[list[int]]:
    """Rows by length of reply, cut where a pass of its own costs less than the padding."""
    order = sorted(range(len(replies)), key=lambda row: (len(replies[row].ids), row))
    parts: list[list[int]] = [[]]
    for row in order:
        length = len(replies[row].ids)
        shortest = len(replies[parts[-1][0]].ids) if parts[-1] else 0
        padding = (length - shortest) * len(parts[-1])
        if parts[-1] and (padding > _PADDING or (len(parts[-1]) + 1) * length > _REPLY_TOKENS):
            parts.append([])
        parts[-1].append(row)
    return parts


def roomy(model: Any, tokens: int, least: int) -> int:
    """How many sequences can be held at once: ``least``, or more where a model's are small.

    Args:
        model: Says how large the keys and values of a token are.
        tokens: Of the longest sequence.
        least: What the user allows in any case.
    """
    config = model.config.get_text_config()
    heads = getattr(config, "num_attention_heads", None)
    layers = getattr(config, "num_hidden_layers", None)
    if not heads or not layers:
        return least
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    sides = 2 * width * (getattr(config, "num_key_value_heads", None) or heads)
    return max(least, _KEPT // (layers * sides * model.dtype.itemsize * max(1, tokens)))
