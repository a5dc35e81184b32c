"""From samples to what a model is trained on; what cannot be used is left out, with a reason."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError, BadRowError
from data_cards.images import decode, read_bytes
from data_cards.sample import ImageRef, Sample
from finetune.responses import IGNORED, render, response_labels

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_LENGTH = 2048
"""Longest sample where neither the options nor the model say less."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """One sample, ready but for its pixels.

    Attributes:
        id: The sample's.
        messages: The conversation in the form that chat templates take.
        images: References; the pixels are read when they are needed.
        image_key: Hash of the images' bytes; empty where there are none.
        input_ids: Token ids, those of the images included.
        labels: The id where the token belongs to a response, else -100.
        token_types: What else the processor says about each token, by name.
    """

    id: str
    messages: tuple[dict[str, Any], ...]
    images: tuple[ImageRef, ...]
    image_key: bytes
    input_ids: tuple[int, ...]
    labels: tuple[int, ...]
    token_types: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def responses(self) -> int:
        """How many tokens count in the loss."""
        return sum(label != IGNORED for label in self.labels)


def chat(sample: Sample) -> list[dict[str, Any]]:
    """A sample as messages: all its images at the head of the first user turn.

    Raises:
        BadRowError: No turn of the user is there to hold the images, or a response comes first.
    """
    messages: list[dict[str, Any]] = []
    waiting = [{"type": "image"} for _ in sample.images]
    for turn in sample.turns:
        parts: list[dict[str, Any]] = [{"type": "text", "text": turn.text}]
        if turn.role == "user":
            parts, waiting = [*waiting, *parts], []
        elif turn.role == "assistant" and waiting:
            raise BadRowError("the response comes before any question")
        messages.append({"role": turn.role, "content": parts})
    if waiting:
        raise BadRowError("no question holds the image")
    return messages


def prepare(
    samples: Iterable[Sample],
    processor: Any,
    *,
    max_length: int = MAX_LENGTH,
    text_only: bool = False,
    on_progress: Callable[[int], None] = lambda done: None,
) -> tuple[list[Prepared], list[tuple[str, str]]]:
    """Check every sample and make its tokens; nothing is ever cut to fit.

    Args:
        samples: In any order.
        processor: The model's processor.
        max_length: Longest sample in tokens, those of the images counted.
        text_only: Keep samples without an image.
        on_progress: Called with the number done.

    Returns:
        What can be trained on; and id and reason of each sample that cannot.

    Raises:
        BadInputError: Nothing is left, or the processor cannot show where its tokens stand.
    """
    if not getattr(processor.tokenizer, "is_fast", False):
        raise BadInputError(
            "The model's tokenizer is a slow one and does not say where its tokens stand.",
            "Convert it to a fast tokenizer (tokenizer.json).",
        )
    if not processor.chat_template:
        raise BadInputError(
            "The model has no chat template.", "Give it one (chat_template.jinja in its folder)."
        )
    special = special_words(processor)
    kept: list[Prepared] = []
    left_out: list[tuple[str, str]] = []
    for done, sample in enumerate(samples, 1):
        try:
            kept.append(_prepare(sample, processor, special, max_length, text_only))
        except BadRowError as error:
            left_out.append((sample.id, error.reason))
        on_progress(done)
    if not kept:
        reasons = "; ".join(f"{id_}: {reason}" for id_, reason in left_out[:3])
        message = f"None of the {len(left_out)} samples can be trained on ({reasons})."
        if not left_out:
            message = "There is no sample to train on."
        raise BadInputError(message, "Check the data, --images and --max-length.")
    return kept, left_out


def pictures(images: Sequence[ImageRef]) -> list[Image]:
    """Read and decode images.

    Raises:
        BadRowError: One of them cannot be used.
    """
    return [decode(read_bytes(ref), ref.name)[0] for ref in images]


def process(
    processor: Any, messages: Sequence[Sequence[dict[str, Any]]], images: Sequence[Sequence[Image]]
) -> dict[str, Any]:
    """What the model is fed: token ids and pixels, as tensors, padded on the right.

    Args:
        processor: The model's processor.
        messages: One conversation per sample.
        images: The pictures of each.
    """
    texts = [render(processor, conversation) for conversation in messages]
    bos = processor.tokenizer.bos_token
    return dict(
        processor(
            text=texts,
            images=[list(pictures) for pictures in images] if any(images) else None,
            return_tensors="pt",
            padding=True,
            padding_side="right",
            add_special_tokens=not (bos is not None and texts[0].startswith(bos)),
        )
    )


def data_hash(rows: Iterable[Prepared]) -> str:
    """SHA-256 of ids, tokens, labels and images; the order of the rows does not matter."""
    digests = sorted(
        hashlib.sha256(
            repr((row.id, row.input_ids, row.labels, row.image_key)).encode()
        ).hexdigest()
        for row in rows
    )
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _prepare(
    sample: Sample, processor: Any, special: Sequence[str], max_length: int, text_only: bool
) -> Prepared:
    if sample.error is not None:
        raise BadRowError(sample.error)
    if not sample.images and not text_only:
        raise BadRowError("no image")
    if not sample.response:
        raise BadRowError("response is empty")
    for turn in sample.turns:
        found = next((word for word in special if word in turn.text), None)
        if found is not None:
            raise BadRowError(f"the text holds the model's special token {found!r}")
    messages = chat(sample)
    if any(m["role"] == "assistant" and not m["content"][0]["text"].strip() for m in messages):
        raise BadRowError("response is empty")
    contents = [read_bytes(ref) for ref in sample.images]
    images = [
        decode(content, ref.name)[0] for content, ref in zip(contents, sample.images, strict=True)
    ]
    try:
        made = process(processor, [messages], [images])
    except BadRowError:
        raise
    except Exception as error:
        # Processors refuse pictures for reasons of their own, e.g. one pixel wide.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BadRowError(f"the model's processor refuses it: {reason[:200]}") from error
    plain = made["input_ids"][0].tolist()
    ids, labels = response_labels(processor, messages, plain)
    if len(ids) > max_length:
        raise BadRowError(f"too long: {len(ids)} tokens, the limit is {max_length}")
    return Prepared(
        id=sample.id,
        messages=tuple(messages),
        images=sample.images,
        image_key=_image_key(contents),
        input_ids=tuple(ids),
        labels=tuple(labels),
        token_types={
            name: tuple([*value[0].tolist()[: len(ids)], 0][: len(ids)])
            for name, value in made.items()
            if is_per_token(name)
        },
    )


def is_per_token(name: str) -> bool:
    """Whether what a processor returns under this name says something about each token."""
    return name in ("token_type_ids", "mm_token_type_ids")


def _image_key(contents: Sequence[bytes]) -> bytes:
    from scoring.store import content_key

    return content_key(*contents) if contents else b""


def special_words(processor: Any) -> tuple[str, ...]:
    """What must not stand in a text, because it would be taken for more than text."""
    words = set(_special_of(processor.tokenizer))
    words |= {str(getattr(processor, name, "") or "") for name in ("image_token", "video_token")}
    return tuple(sorted(words - {""}))


@lru_cache(maxsize=4)
def _special_of(tokenizer: Any) -> tuple[str, ...]:
    added = tokenizer.added_tokens_decoder.values()
    named = [str(token) for token in added if getattr(token, "special", False)]
    return (*tokenizer.all_special_tokens, *named)
