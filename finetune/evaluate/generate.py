"""Greedy answers, many at a time, padded on the left so that all begin at the same place."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from finetune.evaluate.features import ImageFeatures
from finetune.evaluate.likelihood import forget_positions
from finetune.evaluate.sequences import Prompt


@dataclass(frozen=True, slots=True)
class Output:
    """What the model said.

    Attributes:
        text: Without special tokens and outer white space.
        tokens: Generated tokens, without the one that ended it.
        finished: Whether the model ended it, rather than the limit.
    """

    text: str
    tokens: int
    finished: bool


def generate(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    features: ImageFeatures,
    *,
    max_new_tokens: int = 48,
    batch_size: int = 8,
    on_batch: Callable[[int], None] = lambda done: None,
) -> list[Output]:
    """The likeliest next token again and again, until the model ends its turn.

    Args:
        model: In evaluation mode.
        tokenizer: The model's.
        prompts: Their ``vision`` as :meth:`ImageFeatures.see` gives it.
        features: Of the same model.
        max_new_tokens: Limit.
        batch_size: Prompts at a time; neighbours in length go together.
        on_batch: Called with the number of prompts of each batch.

    Returns:
        One output per prompt, in their order.
    """
    import torch

    settings = _greedy(model, tokenizer, max_new_tokens)
    # Pixels cannot be joined into one batch for every model; features can.
    step = batch_size if features.reusable else 1
    order = sorted(range(len(prompts)), key=lambda row: (len(prompts[row].ids), prompts[row].ids))
    groups = [
        [row for row in order if bool(prompts[row].vision) is seeing] for seeing in (True, False)
    ]
    found: dict[int, Output] = {}
    for rows in groups:
        for start in range(0, len(rows), step):
            chosen = rows[start : start + step]
            batch = [prompts[row] for row in chosen]
            with torch.inference_mode():
                made = _batch(model, batch, features, settings)
            for row, line in zip(chosen, made, strict=True):
                found[row] = _output(tokenizer, line, settings)
            on_batch(len(chosen))
    return [found[row] for row in range(len(prompts))]


def _batch(
    model: Any, batch: Sequence[Prompt], features: ImageFeatures, settings: Any
) -> list[list[int]]:
    import torch

    device = model.device
    width = max(len(prompt.ids) for prompt in batch)

    def padded(lines: list[list[int]], filler: int) -> torch.Tensor:
        return torch.tensor(
            [[filler] * (width - len(line)) + line for line in lines], device=device
        )

    forget_positions(model)
    sequences = model.generate(
        input_ids=padded([list(p.ids) for p in batch], settings.pad_token_id),
        attention_mask=padded([[1] * len(p.ids) for p in batch], 0),
        **{name: padded([list(p.types[name]) for p in batch], 0) for name in batch[0].types},
        **features.inputs([prompt.vision for prompt in batch]),
        generation_config=settings,
    )
    rows: list[list[int]] = sequences[:, width:].tolist()
    return rows


def _greedy(model: Any, tokenizer: Any, limit: int) -> Any:
    """The model's own settings, made greedy and of limited length."""
    settings = copy.deepcopy(model.generation_config)
    settings.do_sample, settings.num_beams = False, 1
    settings.temperature = settings.top_p = settings.top_k = settings.max_length = None
    settings.max_new_tokens, settings.min_new_tokens = limit, None
    if settings.eos_token_id is None:
        settings.eos_token_id = tokenizer.eos_token_id
    if settings.pad_token_id is None:
        pad = tokenizer.pad_token_id
        settings.pad_token_id = pad if pad is not None else tokenizer.eos_token_id or 0
    return settings


def _output(tokenizer: Any, line: Sequence[int], settings: Any) -> Output:
    ends = settings.eos_token_id
    ends = set(ends if isinstance(ends, list | tuple) else [ends])
    stop = next((place for place, token in enumerate(line) if token in ends), None)
    said = list(line if stop is None else line[:stop])
    return Output(
        tokenizer.decode(said, skip_special_tokens=True).strip(), len(said), stop is not None
    )
