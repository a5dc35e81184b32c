"""Training rows: one picture, then all its questions side by side, none seeing another.

The picture's 49 tokens cost more than a question does, so they are run once for all questions of
a picture. Every question attends to the picture and to itself only, at the positions that it would
have alone: the losses are those of separate chats.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from finetune.models.processor import IMAGE_TOKEN, IMAGE_TOKENS
from finetune.models.train_pairs import Asked, order_key

if TYPE_CHECKING:
    import torch

Tokens = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """A question with its answer, as tokens after the picture.

    Attributes:
        asked: What it was made of.
        tokens: The question, the answer and its end-of-turn token.
        start: Where the answer begins in ``tokens``.
    """

    asked: Asked
    tokens: Tokens
    start: int


@dataclass(frozen=True)
class Row:
    """A picture with its segments."""

    picture: int
    segments: tuple[Segment, ...]

    @cached_property
    def length(self) -> int:
        """Tokens behind the picture's."""
        return sum(len(segment.tokens) for segment in self.segments)


class Chat:
    """Turns questions into tokens by the model's own template.

    Args:
        processor: The embedded model's.
    """

    def __init__(self, processor: Any) -> None:
        self._tokenizer, self._processor = processor.tokenizer, processor
        head = self._render("\ue000").split("\ue000")[0]
        self.prefix: Tokens = tuple(self._tokenise(head)["input_ids"])
        self.image_start = self.prefix.index(processor.image_token_id)

    def segment(self, asked: Asked) -> Segment:
        """One question and its answer.

        Raises:
            ValueError: The question melts into the picture's tokens.
        """
        opened = self._render(asked.prompt)
        found = self._tokenise(opened + asked.answer + self._tokenizer.eos_token)
        tokens, offsets = tuple(found["input_ids"]), found["offset_mapping"]
        cut = len(self.prefix)
        if tokens[:cut] != self.prefix:
            raise ValueError(f"{asked.prompt!r} melts into the tokens before it")
        start = next(i for i, (first, _) in enumerate(offsets) if first >= len(opened))
        return Segment(asked, tokens[cut:], start - cut)

    def _render(self, prompt: str) -> str:
        content = [{"type": "image"}, {"type": "text", "text": prompt}]
        text: str = self._processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )
        return text.replace(IMAGE_TOKEN, IMAGE_TOKEN * IMAGE_TOKENS, 1)

    def _tokenise(self, text: str) -> Any:
        return self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)


def make_rows(chat: Chat, asked: Sequence[Asked], longest: int = 320) -> list[Row]:
    """Rows of pictures, with at most ``longest`` tokens behind a picture each."""
    by_picture: dict[int, list[Segment]] = defaultdict(list)
    for one in asked:
        by_picture[one.row].append(chat.segment(one))
    rows = []
    for picture, segments in sorted(by_picture.items()):
        part: list[Segment] = []
        for segment in segments:
            if part and sum(len(s.tokens) for s in part) + len(segment.tokens) > longest:
                rows.append(Row(picture, tuple(part)))
                part = []
            part.append(segment)
        rows.append(Row(picture, tuple(part)))
    return rows


def batches(rows: Sequence[Row], tokens: int, prefix: int, seed: int) -> list[list[Row]]:
    """Rows of like length together, ``tokens`` padded tokens at most; in an order by the seed."""
    groups: list[list[Row]] = []
    batch: list[Row] = []
    ordered = sorted(rows, key=lambda row: (row.length, order_key(row.segments[0].asked, seed)))
    for row in ordered:  # ascending: the newest is the longest
        if batch and (len(batch) + 1) * (prefix + row.length) > tokens:
            groups.append(batch)
            batch = []
        batch.append(row)
    if batch:
        groups.append(batch)
    return sorted(groups, key=lambda some: order_key(some[0].segments[0].asked, seed + 1))


@dataclass(frozen=True, slots=True)
class Batch:
    """Tensors of b rows, padded on the right to t tokens in all.

    Attributes:
        rows: The rows.
        ids: (b, t), image tokens included.
        positions: (b, t), starting again behind the picture for every segment.
        mask: (b, 1, t, t), true where the second place may be seen from the first.
        targets: (b, t): the token that the place must predict, -100 where none.
        owner: (b, t): running number of the segment whose answer the target belongs to, or -1.
    """

    rows: tuple[Row, ...]
    ids: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    targets: torch.Tensor
    owner: torch.Tensor

    @property
    def segments(self) -> Iterator[Segment]:
        """The segments, in the order of their running numbers."""
        return (segment for row in self.rows for segment in row.segments)


def collate(chat: Chat, rows: Sequence[Row], pad: int) -> Batch:
    """Rows to tensors."""
    import torch

    head = len(chat.prefix)
    width = head + max(row.length for row in rows)
    ids = torch.full((len(rows), width), pad)
    positions = torch.zeros(len(rows), width, dtype=torch.long)
    block = torch.full((len(rows), width), -2)  # which segment a place belongs to; -2: padding
    targets = torch.full((len(rows), width), -100)
    owner = torch.full((len(rows), width), -1)
    number = 0
    for i, row in enumerate(rows):
        ids[i, :head] = torch.tensor(chat.prefix)
        positions[i, :head] = torch.arange(head)
        block[i, :head] = -1
        at = head
        for segment in row.segments:
            end, length = at + len(segment.tokens), len(segment.tokens)
            tokens = torch.tensor(segment.tokens)
            ids[i, at:end] = tokens
            positions[i, at:end] = torch.arange(head, head + length)
            block[i, at:end] = number
            first = at + segment.start
            targets[i, first - 1 : end - 1] = tokens[segment.start :]
            owner[i, first - 1 : end - 1] = number
            at, number = end, number + 1
    seen = (block[:, :, None] == block[:, None, :]) | (block[:, None, :] == -1)
    mask = seen & torch.ones(width, width, dtype=torch.bool).tril()
    return Batch(tuple(rows), ids, positions, mask[:, None], targets, owner)
