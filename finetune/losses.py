"""Losses of response tokens, with the language model's head applied to those alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from finetune.responses import IGNORED


def response_losses(model: Any, batch: Mapping[str, Any], head: Any = None) -> tuple[Any, Any]:
    """Negative log-likelihood of every response token.

    Most tokens of a batch are image and question, and projecting them onto the vocabulary would
    take a good part of the time: the head sees the response tokens only.

    Args:
        model: A vision-language model, with or without adapters.
        batch: Its inputs with ``labels`` (b, t), the id of a response token, else -100.
        head: The output embeddings, where the model is wrapped and cannot name them.

    Returns:
        Losses in nats, float32 of shape (k,), and the row of each, int64 of shape (k,).
    """
    import torch

    labels = batch["labels"][:, 1:]
    counted = labels != IGNORED
    # The position before a token predicts it; the last position predicts nothing.
    hook = (head or model.get_output_embeddings()).register_forward_pre_hook(
        lambda module, given: (given[0][:, :-1][counted],)
    )
    try:
        passed = {name: value for name, value in batch.items() if name != "labels"}
        logits = model(**passed, use_cache=False).logits
    finally:
        hook.remove()
    losses = torch.nn.functional.cross_entropy(logits.float(), labels[counted], reduction="none")
    return losses, counted.nonzero()[:, 0]
