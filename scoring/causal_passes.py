"""Few forward passes of a causal language model: batches by length, shared prefixes run once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

Tokens = tuple[int, ...]
Job = tuple[Tokens, int]
"""A sequence, and the number of its last positions whose logits are wanted."""

_WORTH_A_PREFIX = 128  # tokens saved from which a shared prefix gets a pass of its own
_PADDING_SHARE, _PADDING = 0.15, 64  # a pass reads all weights, which costs as much as 50 tokens


def last_logits(
    model: Any, jobs: Sequence[Job], prefixes: Mapping[Tokens, int], *, tokens_per_batch: int
) -> Iterator[tuple[Tokens, torch.Tensor]]:
    """Logits at the last positions of token sequences.

    Args:
        model: A causal language model of transformers, in evaluation mode.
        jobs: Distinct sequences, and the number of last positions wanted of each.
        prefixes: Tokens at the start of each sequence that may be computed once and shared.
        tokens_per_batch: Padded tokens in one forward pass (a longer sequence runs alone).

    Yields:
        Sequence, and float32 logits of shape (positions, vocabulary); not in the order of jobs.
    """
    import torch

    groups: dict[Tokens, list[Job]] = defaultdict(list)
    for tokens, count in jobs:
        length = min(prefixes.get(tokens, 0), len(tokens) - count)
        groups[tokens[:length]].append((tokens, count))
    with torch.inference_mode():
        for prefix, members in sorted(groups.items()):
            members.sort(key=lambda job: (len(job[0]), job[1], job[0]))
            for batch in batches(members, len(prefix), tokens_per_batch):
                yield from _forward(model, prefix, batch)


def batches(members: Sequence[Job], start: int, tokens_per_batch: int) -> Iterator[list[Job]]:
    """Neighbours in length, within the token budget and with little padding.

    Args:
        members: Sequences, by rising length.
        start: Tokens of each that are already computed.
        tokens_per_batch: The budget.
    """
    batch: list[Job] = []
    real = 0
    for tokens, count in members:
        length = len(tokens) - start
        padded = (len(batch) + 1) * length
        waste = padded - real - length
        if batch and (padded > tokens_per_batch or waste > _PADDING_SHARE * real + _PADDING):
            yield batch
            batch, real = [], 0
        batch.append((tokens, count))
        real += length
    if batch:
        yield batch


def worth_sharing(sequences: int, length: int) -> bool:
    """Whether a prefix of so many tokens is worth a pass of its own for so many sequences."""
    return (sequences - 1) * length >= _WORTH_A_PREFIX


def common_prefix(sequences: Sequence[Tokens]) -> int:
    """Length of the prefix that sorted sequences share, if it is worth computing once."""
    if len(sequences) < 2:
        return 0
    first, last = sequences[0], sequences[-1]
    shared = next(
        (i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b),
        min(len(first), len(last)),
    )
    return shared if worth_sharing(len(sequences), shared) else 0


def _forward(
    model: Any, prefix: Tokens, batch: Sequence[Job]
) -> Iterator[tuple[Tokens, torch.Tensor]]:
    """One forward pass over sequences that begin with ``prefix``."""
    import torch

    device, start = model.device, len(prefix)
    lengths = [len(tokens) - start for tokens, _ in batch]
    width = max(lengths)
    first = min(length - count for length, (_, count) in zip(lengths, batch, strict=True))
    # Padding stands on the right, where a causal model never looks: no mask is needed.
    ids = torch.zeros(len(batch), width, dtype=torch.long)
    for row, (tokens, _) in enumerate(batch):
        ids[row, : lengths[row]] = torch.tensor(tokens[start:])
    past: dict[str, Any] = {"use_cache": False}
    if prefix:
        head = torch.tensor([prefix], device=device)
        cache = model(head, use_cache=True, logits_to_keep=1).past_key_values
        cache.batch_repeat_interleave(len(batch))
        past = {"use_cache": True, "past_key_values": cache}
    keep = torch.arange(first, width, device=device)
    logits = model(ids.to(device), logits_to_keep=keep, **past).logits
    for row, (tokens, count) in enumerate(batch):
        end = lengths[row] - first
        yield tokens, logits[row, end - count : end].float()
