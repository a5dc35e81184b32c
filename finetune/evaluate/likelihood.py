"""Log-likelihood of replies: a prompt is read once, and all its replies go on from there."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from finetune.evaluate.batching import Ask, alike, batches
from finetune.evaluate.features import ImageFeatures
from finetune.evaluate.kept import Kept
from finetune.evaluate.sequences import Prompt, Reply

log = logging.getLogger(__name__)
_TOLERANCE = {"float32": 2e-3}
_ROUGH = 0.15
"""Allowed difference of the two ways, in nats per token: float32, and lower precisions."""


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Natural logarithm of a reply's probability.

    Attributes:
        total: Sum over all tokens that count, those that end a turn included.
        tokens: Their number.
        end_total: Sum over the tokens that end a turn.
        end_tokens: Their number.
    """

    total: float
    tokens: int
    end_total: float
    end_tokens: int


class Scorer:
    """Scores replies with one model, in the quickest way that it bears.

    ``padded``: each prompt is read once, short ones padded on the left; its keys and values are
    kept, and the replies, padded on the right, are read after them. Logits are computed for the
    replies alone. ``equal``: the same, but only prompts of one length share a pass (for models
    that place image tokens by themselves). ``plain``: one sequence, one pass, from pixels.

    The first prompts are scored the plain way too; a way that fails on the model, or does not
    agree with the plain one, is given up for the next.

    Args:
        model: A vision-language model in evaluation mode, on its device.
        features: Of the same model.
        batch_size: Prompts in one pass.
        pad: A token id to fill short replies with.
    """

    def __init__(
        self, model: Any, features: ImageFeatures, *, batch_size: int = 8, pad: int = 0
    ) -> None:
        self.model, self.features = model, features
        self.batch_size, self.pad = batch_size, pad
        self.way: Literal["padded", "equal", "plain"] = (
            "equal" if has_own_positions(model) else "padded"
        )
        self.kept = Kept()
        self._checked: set[bool] = set()

    def check(self, ask: Ask, pixels: Mapping[str, Any]) -> None:
        """Compare the present way with the plain one, once with an image and once without.

        Args:
            ask: With features, if the model has any.
            pixels: The processor's own tensors for its images.
        """
        seeing = bool(ask.prompt.vision)
        if self.way == "plain" or seeing in self._checked:
            return
        self._checked.add(seeing)
        expected = self._one(Ask(Prompt(ask.prompt.ids, ask.prompt.types, pixels), ask.replies))
        if not math.isfinite(expected[0].total):
            return
        name = str(self.model.dtype).removeprefix("torch.")
        while self.way != "plain":
            gap = self._gap(ask, expected)
            if gap <= _TOLERANCE.get(name, _ROUGH):
                return
            log.info("%s: not the %s way (%.4f apart)", type(self.model).__name__, self.way, gap)
            self.way = "equal" if self.way == "padded" else "plain"
        self.features.reusable = False

    def _gap(self, ask: Ask, expected: Sequence[Likelihood]) -> float:
        """Difference to the plain way, in nats per token; infinite where the model fails."""
        try:
            [found] = self._pass([ask], padding=3 if self.way == "padded" else 0)
        except (ValueError, RuntimeError, TypeError, AttributeError, IndexError, KeyError) as error:
            log.info("%s fails: %s", type(self.model).__name__, error)
            return math.inf
        gaps = [abs(a.total - b.total) / a.tokens for a, b in zip(expected, found, strict=True)]
        return max((gap if math.isfinite(gap) else math.inf) for gap in gaps)

    def score(
        self, asks: Sequence[Ask], on_batch: Callable[[int], None] = lambda done: None
    ) -> list[tuple[Likelihood, ...]]:
        """Likelihoods of all replies, in the order of ``asks``.

        Args:
            asks: Any number.
            on_batch: Called with the number of prompts of each pass.
        """
        import torch

        # Pixels cannot be joined into one batch for every model; features can.
        size = self.batch_size if self.features.reusable else 1
        found: dict[int, tuple[Likelihood, ...]] = {}
        with torch.inference_mode():
            for rows in batches(asks, size, equal=self.way == "equal"):
                batch = [asks[row] for row in rows]
                if self.way == "plain":
                    made = [self._one(ask) for ask in batch]
                else:
                    made = self._pass(batch)
                found.update(zip(rows, made, strict=True))
                on_batch(len(rows))
        return [found[row] for row in range(len(asks))]

    def _pass(self, batch: Sequence[Ask], padding: int = 0) -> list[tuple[Likelihood, ...]]:
        """The prompts, then all their replies after the kept keys and values."""
        import torch

        device = self.model.device
        prompts = [ask.prompt for ask in batch]
        length = max(len(prompt.ids) for prompt in prompts) + padding
        sizes = torch.tensor([len(prompt.ids) for prompt in prompts], device=device)
        mask = (torch.arange(length, device=device) >= (length - sizes)[:, None]).long()
        # Models with places of their own work them out from the unpadded tokens.
        placed = self.way == "padded"
        given: dict[str, Any] = {}
        if placed:
            given = {"attention_mask": mask, "position_ids": (mask.cumsum(1) - 1).clamp(min=0)}

        def padded(lines: Sequence[Sequence[int]], filler: int) -> torch.Tensor:
            rows = [[filler] * (length - len(line)) + list(line) for line in lines]
            return torch.tensor(rows, device=device)

        forget_positions(self.model)
        with torch.inference_mode():
            read = self.model(
                input_ids=padded([prompt.ids for prompt in prompts], self.pad),
                **{
                    name: padded([prompt.types[name] for prompt in prompts], 0)
                    for name in prompts[0].types
                },
                **self.features.inputs([prompt.vision for prompt in prompts]),
                **given,
                use_cache=True,
                logits_to_keep=1,
            )
            for place, ask in enumerate(batch):
                if ask.keep is not None and placed:
                    cache = read.past_key_values
                    self.kept.put(ask.keep, cache, place, len(ask.prompt.ids))
            replies = [reply for ask in batch for reply in ask.replies]
            whose = [place for place, ask in enumerate(batch) for _ in ask.replies]
            firsts = read.logits[:, -1].float().log_softmax(-1)
            scores = [[v] for v in firsts[whose, [reply.ids[0] for reply in replies]].tolist()]
            parts = alike(replies) if placed else [list(range(len(replies)))]
            for part in parts:
                cache = (
                    read.past_key_values
                    if part is parts[-1]
                    else copy.deepcopy(read.past_key_values)
                )
                owners = torch.tensor([whose[row] for row in part], device=device)
                cache.batch_select_indices(owners)
                if placed:
                    given = {"attention_mask": mask[owners], "position_ids": sizes[owners, None]}
                found = self._go_on(cache, [replies[row] for row in part], given)
                for row, values in zip(part, found, strict=True):
                    scores[row] += values
        mine = iter(scores)
        return [tuple(_sum(reply, next(mine)) for reply in ask.replies) for ask in batch]

    def _go_on(
        self, cache: Any, replies: Sequence[Reply], given: Mapping[str, Any]
    ) -> list[list[float]]:
        """Log-probabilities of the replies' tokens but the first, after the cached prompts."""
        import torch

        device = self.model.device
        width = max(len(reply.ids) for reply in replies)
        ids = torch.full((len(replies), width), self.pad, device=device)
        counts = torch.zeros((len(replies), width), dtype=torch.bool, device=device)
        for row, reply in enumerate(replies):
            ids[row, : len(reply.ids)] = torch.tensor(reply.ids)
            counts[row, : len(reply.ids)] = torch.tensor(reply.counts)
        keep = counts[:, 1:].any(0).nonzero()[:, 0]
        scores = torch.zeros((len(replies), width - 1), device=device)
        if not len(keep):
            return [[] for _ in replies]
        if given:
            seen = given["attention_mask"]
            here = seen.new_ones((len(replies), width - 1))
            places = given["position_ids"] + torch.arange(width - 1, device=device)
            given = {"attention_mask": torch.cat([seen, here], dim=1), "position_ids": places}
        logits = self.model(
            input_ids=ids[:, :-1],
            past_key_values=cache,
            **given,
            use_cache=True,
            logits_to_keep=keep,
        ).logits
        if logits.shape[1] != len(keep):
            raise ValueError("the model does not know logits_to_keep")
        chosen = logits.gather(2, ids[:, keep + 1][..., None])[..., 0].float()
        scores[:, keep] = chosen - torch.logsumexp(logits.float(), -1)
        lines: list[list[float]] = scores.tolist()
        return [line[: len(reply.ids) - 1] for line, reply in zip(lines, replies, strict=True)]

    def _one(self, ask: Ask) -> tuple[Likelihood, ...]:
        """The plain way: each whole sequence by itself, nothing reused."""
        import torch

        device, prompt = self.model.device, ask.prompt
        found = []
        for reply in ask.replies:
            forget_positions(self.model)
            ids = torch.tensor([[*prompt.ids, *reply.ids]], device=device)
            types = {
                name: torch.tensor([[*values, *[0] * len(reply.ids)]], device=device)
                for name, values in prompt.types.items()
            }
            with torch.inference_mode():
                logits = self.model(
                    input_ids=ids,
                    attention_mask=torch.ones_like(ids),
                    **types,
                    **self.features.inputs([prompt.vision]),
                    use_cache=False,
                ).logits[0, len(prompt.ids) - 1 : -1]
                scores = logits.float().log_softmax(-1)
            targets = torch.tensor(reply.ids, device=device)
            found.append(_sum(reply, scores.gather(1, targets[:, None])[:, 0].tolist()))
        return tuple(found)


def has_own_positions(model: Any) -> bool:
    """Whether the model places image tokens by itself, and keeps offsets for later tokens."""
    return any(hasattr(module, "rope_deltas") for module in _outer(model))


def forget_positions(model: Any) -> None:
    """Qwen-VL keeps the last images' position offsets on the model, and would use them again."""
    for module in _outer(model):
        if hasattr(module, "rope_deltas"):
            module.rope_deltas = None


def _outer(model: Any) -> list[Any]:
    inner = getattr(model, "model", None)
    return [model] if inner is None else [model, inner]


def _sum(reply: Reply, scores: Sequence[float]) -> Likelihood:
    counted = [s for s, count in zip(scores, reply.counts, strict=False) if count]
    ending = [s for s, end in zip(scores, reply.ends, strict=False) if end]
    return Likelihood(math.fsum(counted), len(counted), math.fsum(ending), len(ending))
