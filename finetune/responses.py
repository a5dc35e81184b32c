"""Which tokens of a conversation are the model's to say, for any processor and chat template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from data_cards.errors import BadRowError

IGNORED = -100
"""The label of a token that does not count in the loss."""


def response_labels(
    processor: Any, messages: Sequence[dict[str, Any]], input_ids: Sequence[int]
) -> tuple[list[int], list[int]]:
    """Labels of a conversation: its responses' tokens, and ``IGNORED`` everywhere else.

    A response's tokens are all that the template writes for an assistant's turn after the opening
    that generation is asked with, through the token that ends the turn; white space that follows
    it is not counted. A template that ends the last turn with no special token gets the
    end-of-text token appended, so that the model learns to stop.

    Args:
        processor: A processor with a chat template and a fast tokenizer.
        messages: The conversation; all images stand before the first response.
        input_ids: The tokens that the processor made of it, image tokens included.

    Returns:
        Token ids and labels, of the same length.

    Raises:
        BadRowError: The template refuses the conversation or rewrites earlier turns.
    """
    text = render(processor, messages)
    spans = _response_spans(processor, messages, text)
    tokenizer = processor.tokenizer
    # As the processors themselves do: the template may have written the begin-of-text token.
    bos = tokenizer.bos_token
    encoded = tokenizer(
        text,
        add_special_tokens=not (bos is not None and text.startswith(bos)),
        return_offsets_mapping=True,
    )
    plain, offsets = encoded["input_ids"], encoded["offset_mapping"]
    owned = [
        start < end and any(start < stop and end > begin for begin, stop in spans)
        for start, end in offsets
    ]
    first = owned.index(True) if True in owned else len(owned)
    # Image tokens are multiplied before the first response, so tokens are counted from the end.
    shift = len(input_ids) - len(plain)
    if shift < 0 or list(input_ids[first + shift :]) != list(plain[first:]):
        raise BadRowError("the response's tokens cannot be told from the rest")
    ids = list(input_ids)
    labels = [IGNORED] * shift + [
        token if mine else IGNORED for token, mine in zip(plain, owned, strict=True)
    ]
    if all(label == IGNORED for label in labels):
        raise BadRowError("response has no tokens")
    last = max(place for place, label in enumerate(labels) if label != IGNORED)
    if ids[last] not in _ending(tokenizer) and tokenizer.eos_token_id is not None:
        if ids[last + 1 :] and ids[last + 1] in _ending(tokenizer):
            labels[last + 1] = ids[last + 1]
        else:
            ids = [*ids[: last + 1], tokenizer.eos_token_id]
            labels = [*labels[: last + 1], tokenizer.eos_token_id]
    return ids, labels


def render(processor: Any, messages: Sequence[dict[str, Any]], *, ask: bool = False) -> str:
    """The conversation as the template writes it.

    Args:
        processor: Holds the template.
        messages: Roles and contents.
        ask: Whether the opening of an answer follows.

    Raises:
        BadRowError: The template refuses it.
    """
    try:
        return str(
            processor.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=ask)
        )
    except Exception as error:
        # Templates raise whatever their author likes, e.g. that roles must alternate.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BadRowError(f"the chat template refuses it: {reason[:200]}") from error


def _response_spans(
    processor: Any, messages: Sequence[dict[str, Any]], text: str
) -> list[tuple[int, int]]:
    """Begin and end, in characters of ``text``, of each assistant turn."""
    spans = []
    for place, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        opened = render(processor, messages[:place], ask=True)
        closed = render(processor, messages[: place + 1])
        if not closed.startswith(opened) or not text.startswith(closed.rstrip()):
            raise BadRowError("the chat template rewrites earlier turns")
        spans.append((len(opened), len(closed.rstrip())))
    return spans


def _ending(tokenizer: Any) -> set[int]:
    """Tokens that can end a turn: all special ones."""
    return set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
