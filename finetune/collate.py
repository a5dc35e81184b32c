"""From rows to batches: tokens padded on the right, pixels (or stored features) beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from data_cards.errors import BadInputError, BadRowError
from finetune.data import Prepared, is_per_token, pictures, process
from finetune.responses import IGNORED

TOKEN_KEYS = ("input_ids", "attention_mask", "labels")
Vision = Callable[[Sequence[Prepared]], Mapping[str, Any]]


class Collator:
    """Makes the batches that the trainer asks for.

    Args:
        rows: What is trained on.
        pad_token_id: Fills short rows; it is masked from attention and loss.
        vision: Makes the model's visual inputs for the rows that have images, in their order.
    """

    def __init__(self, rows: Sequence[Prepared], pad_token_id: int, vision: Vision) -> None:
        self.rows, self.pad_token_id, self.vision = rows, pad_token_id, vision

    def __call__(self, wanted: Sequence[Mapping[str, int]]) -> dict[str, Any]:
        """Collate rows ``[{"row": 3}, ...]``; shapes are (batch, longest).

        The row after the last one is a filler: the shortest row, of which no token counts.
        """
        return self.collate([self._row(item["row"]) for item in wanted])

    def _row(self, place: int) -> Prepared:
        if place < len(self.rows):
            return self.rows[place]
        shortest = min(self.rows, key=lambda row: len(row.input_ids))
        return replace(shortest, labels=(IGNORED,) * len(shortest.labels))

    def collate(self, rows: Sequence[Prepared]) -> dict[str, Any]:
        """Collate these rows.

        Raises:
            BadInputError: An image that was readable is so no longer.
        """
        batch = tokens(rows, self.pad_token_id)
        seeing = [row for row in rows if row.images]
        if seeing:
            batch |= self.vision(seeing)
        return batch


def tokens(rows: Sequence[Prepared], pad_token_id: int) -> dict[str, Any]:
    """Token ids, attention mask, labels and token types; int64 of shape (batch, longest)."""
    import torch

    width = max(len(row.input_ids) for row in rows)

    def padded(values: Sequence[Sequence[int]], filler: int) -> torch.Tensor:
        return torch.tensor([[*line, *[filler] * (width - len(line))] for line in values])

    batch = {
        "input_ids": padded([row.input_ids for row in rows], pad_token_id),
        "attention_mask": padded([[1] * len(row.input_ids) for row in rows], 0),
        "labels": padded([row.labels for row in rows], IGNORED),
    }
    for name in rows[0].token_types:
        batch[name] = padded([row.token_types[name] for row in rows], 0)
    return batch


def from_pixels(processor: Any) -> Vision:
    """Visual inputs from the image files: decoded and processed anew for each batch."""

    def vision(rows: Sequence[Prepared]) -> dict[str, Any]:
        images = []
        for row in rows:
            try:
                images.append(pictures(row.images))
            except BadRowError as error:
                raise BadInputError(
                    f"An image of {row.id} was readable and is no longer: {error.reason}.",
                    "Put it back and type the same command again: it goes on where it stopped.",
                ) from error
        made = process(processor, [row.messages for row in rows], images)
        return {
            name: value
            for name, value in made.items()
            if name not in TOKEN_KEYS and not is_per_token(name)
        }

    return vision
