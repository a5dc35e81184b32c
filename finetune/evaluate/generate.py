"""Greedy answers, many at a time; who has finished leaves, so that nobody waits for the longest."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from finetune.evaluate.batching import roomy
from finetune.evaluate.features import ImageFeatures
from finetune.evaluate.kept import Read, join
from finetune.evaluate.likelihood import forget_positions, has_own_positions
from finetune.evaluate.sequences import Prompt

_STRETCH = 6
"""Tokens between two looks at which answers have finished."""
_BY_PLACE = (
    "forced_bos_token_id",
    "forced_eos_token_id",
    "begin_suppress_tokens",
    "exponential_decay_length_penalty",
    "encoder_repetition_penalty",
    "stop_strings",
)
"""Settings that count from the prompt's end or the limit: with them nobody leaves early."""


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
    reads: Sequence[Read | None] = (),
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
        reads: Prompts that the model has read already, in the order of ``prompts``.
        max_new_tokens: Limit.
        batch_size: Prompts at a time, more where the model is small; neighbours in length go
            together.
        on_batch: Called with the number of prompts of each batch.

    Returns:
        One output per prompt, in their order.
    """
    import torch

    settings = _greedy(model, tokenizer, max_new_tokens)
    # Pixels cannot be joined into one batch for every model; features can.
    longest = max((len(prompt.ids) for prompt in prompts), default=0) + max_new_tokens
    step = roomy(model, longest, batch_size) if features.reusable else 1
    order = sorted(range(len(prompts)), key=lambda row: (len(prompts[row].ids), prompts[row].ids))
    before = [*reads, *[None] * (len(prompts) - len(reads))]
    groups: dict[tuple[bool, bool], list[int]] = defaultdict(list)
    for row in order:
        groups[before[row] is None, bool(prompts[row].vision)].append(row)
    found: dict[int, Output] = {}
    for rows in groups.values():
        for start in range(0, len(rows), step):
            chosen = rows[start : start + step]
            batch = [prompts[row] for row in chosen]
            with torch.inference_mode():
                known = [read for row in chosen if (read := before[row]) is not None]
                made = _batch(model, batch, features, settings, known)
            for row, line in zip(chosen, made, strict=True):
                found[row] = _output(tokenizer, line, settings)
            on_batch(len(chosen))
    return [found[row] for row in range(len(prompts))]


def _batch(
    model: Any,
    batch: Sequence[Prompt],
    features: ImageFeatures,
    settings: Any,
    reads: Sequence[Read] = (),
) -> list[list[int]]:
    """New tokens of each prompt; after the one that ended it may stand others."""
    import torch

    device, limit = model.device, settings.max_new_tokens
    width = max(len(prompt.ids) for prompt in batch)

    def padded(lines: list[list[int]], filler: int) -> torch.Tensor:
        return torch.tensor(
            [[filler] * (width - len(line)) + line for line in lines], device=device
        )

    ids = padded([list(p.ids) for p in batch], settings.pad_token_id)
    mask = padded([[1] * len(p.ids) for p in batch], 0)
    if reads:
        given = {"past_key_values": join(reads)}
    else:
        given = {name: padded([list(p.types[name]) for p in batch], 0) for name in batch[0].types}
        given |= features.inputs([prompt.vision for prompt in batch])
    stretch = min(limit, _STRETCH) if len(batch) > 1 and _may_leave(model, settings) else limit
    ends = torch.tensor(_ends(settings), dtype=torch.long, device=device)
    found: list[list[int]] = [[] for _ in batch]
    here = list(range(len(batch)))
    forget_positions(model)
    while True:
        made = model.generate(
            input_ids=ids,
            attention_mask=mask,
            **given,
            generation_config=_limited(settings, min(stretch, limit - (ids.shape[1] - width))),
        )
        grown, ids = made.sequences.shape[1] - ids.shape[1], made.sequences
        for row, line in zip(here, ids[:, width:].tolist(), strict=True):
            found[row] = line
        goes_on = (~torch.isin(ids[:, width:], ends).any(1)).nonzero()[:, 0]
        if ids.shape[1] - width >= limit or not len(goes_on):
            return found
        here = [here[row] for row in goes_on.tolist()]
        made.past_key_values.batch_select_indices(goes_on)
        # What was read is in the keys and values; types and images are not given again.
        given = {"past_key_values": made.past_key_values}
        mask = torch.cat([mask, mask.new_ones(len(mask), grown)], dim=1)[goes_on]
        ids = ids[goes_on]


def _may_leave(model: Any, settings: Any) -> bool:
    """Whether what is left of a batch can go on from its keys and values."""
    by_place = any(getattr(settings, name, None) is not None for name in _BY_PLACE)
    return not (by_place or has_own_positions(model)) and settings.use_cache is not False


def _limited(settings: Any, limit: int) -> Any:
    settings = copy.deepcopy(settings)
    settings.max_new_tokens = limit
    return settings


def _ends(settings: Any) -> list[int]:
    ends = settings.eos_token_id
    return [] if ends is None else list(ends) if isinstance(ends, list | tuple) else [ends]


def _greedy(model: Any, tokenizer: Any, limit: int) -> Any:
    """The model's own settings, made greedy and of limited length."""
    settings = copy.deepcopy(model.generation_config)
    settings.do_sample, settings.num_beams = False, 1
    settings.temperature = settings.top_p = settings.top_k = settings.max_length = None
    settings.max_new_tokens, settings.min_new_tokens = limit, None
    settings.return_dict_in_generate = True
    if settings.eos_token_id is None:
        settings.eos_token_id = tokenizer.eos_token_id
    if settings.pad_token_id is None:
        pad = tokenizer.pad_token_id
        settings.pad_token_id = pad if pad is not None else tokenizer.eos_token_id or 0
    return settings


def _output(tokenizer: Any, line: Sequence[int], settings: Any) -> Output:
    ends = _ends(settings)
    stop = next((place for place, token in enumerate(line) if token in ends), None)
    said = list(line if stop is None else line[:stop])
    return Output(
        tokenizer.decode(said, skip_special_tokens=True).strip(), len(said), stop is not None
    )
