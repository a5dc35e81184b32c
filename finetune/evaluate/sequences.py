"""What the model reads: a prompt with its images, and the replies that may follow it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadRowError
from data_cards.sample import Sample, Turn
from finetune.data import chat, is_per_token, process, special_words
from finetune.responses import IGNORED, render, response_labels

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Prompt:
    """Everything before the first response's first token.

    Attributes:
        ids: Token ids, image tokens included.
        types: What else the processor says about each token, by name.
        vision: The processor's tensors for the images; empty without any.
    """

    ids: tuple[int, ...]
    types: Mapping[str, tuple[int, ...]]
    vision: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """What follows the prompt, through the last token that counts.

    Attributes:
        ids: Token ids.
        counts: Whether the token is the model's to say; the first one always is.
        ends: Whether it counts and only ends a turn.
    """

    ids: tuple[int, ...]
    counts: tuple[bool, ...]
    ends: tuple[bool, ...]


def read(
    processor: Any, sample: Sample, images: Sequence[Image], max_tokens: int
) -> tuple[Prompt, Reply]:
    """A sample's prompt and its own reply, by the same labels that training uses.

    Args:
        processor: The model's processor.
        sample: With as many images as given.
        images: Decoded; may be others than the sample's own (blank ones).
        max_tokens: Longest sequence.

    Raises:
        BadRowError: The template or the processor refuses it, it has no response, or it is too
            long; nothing is ever cut.
    """
    _refuse_texts(processor, sample)
    messages = chat(sample)
    try:
        made = process(processor, [messages], [images])
    except BadRowError:
        raise
    except Exception as error:
        # Processors refuse pictures for reasons of their own, e.g. one pixel wide.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BadRowError(f"the model's processor refuses it: {reason[:200]}") from error
    ids, labels = response_labels(processor, messages, made["input_ids"][0].tolist())
    first = _first(labels)
    _refuse_long(len(ids), max_tokens)
    types = {
        name: tuple(value[0].tolist()[:first]) for name, value in made.items() if is_per_token(name)
    }
    vision = {
        name: value
        for name, value in made.items()
        if name not in ("input_ids", "attention_mask") and not is_per_token(name)
    }
    return Prompt(tuple(ids[:first]), types, vision), _reply(processor, ids, labels)


def read_other(
    processor: Any, sample: Sample, response: str, prompt: Prompt, max_tokens: int
) -> Reply:
    """Another response after the same prompt, without looking at the images again.

    Raises:
        BadRowError: As :func:`read`; or its first token grows together with the prompt's last.
    """
    sample = answered(sample, response)
    _refuse_texts(processor, sample)
    messages = chat(sample)
    text = render(processor, messages)
    bos = processor.tokenizer.bos_token
    plain = processor.tokenizer(
        text, add_special_tokens=not (bos is not None and text.startswith(bos))
    )["input_ids"]
    _, plain_labels = response_labels(processor, messages, plain)
    start = _first(plain_labels)
    # The images' tokens are multiplied before the response; what follows is the same as in text.
    spread = [*prompt.ids, *plain[start:]]
    ids, labels = response_labels(processor, messages, spread)
    if _first(labels) != len(prompt.ids) or plain[start - 1] != prompt.ids[-1]:
        raise BadRowError("the response's tokens cannot be told from the rest")
    _refuse_long(len(ids), max_tokens)
    return _reply(processor, ids, labels)


def answered(sample: Sample, response: str) -> Sample:
    """The sample with another text in its assistant turn (it has one)."""
    turns = (Turn(t.role, response) if t.role == "assistant" else t for t in sample.turns)
    return replace(sample, turns=tuple(turns))


def _first(labels: Sequence[int]) -> int:
    return next(place for place, label in enumerate(labels) if label != IGNORED)


def _reply(processor: Any, ids: Sequence[int], labels: Sequence[int]) -> Reply:
    first = _first(labels)
    last = max(place for place, label in enumerate(labels) if label != IGNORED)
    special = set(processor.tokenizer.all_special_ids) | set(
        processor.tokenizer.added_tokens_decoder
    )
    counts = tuple(label != IGNORED for label in labels[first : last + 1])
    said = tuple(ids[first : last + 1])
    ends = tuple(count and token in special for count, token in zip(counts, said, strict=True))
    return Reply(said, counts, ends)


def _refuse_texts(processor: Any, sample: Sample) -> None:
    """The same texts that training refuses: control tokens, and empty answers."""
    for turn in sample.turns:
        found = next((word for word in special_words(processor) if word in turn.text), None)
        if found is not None:
            raise BadRowError(f"the text holds the model's special token {found!r}")
        if turn.role == "assistant" and not turn.text.strip():
            raise BadRowError("response is empty")


def _refuse_long(length: int, limit: int) -> None:
    if length > limit:
        raise BadRowError(f"too long: {length} tokens, the limit is {limit}")
