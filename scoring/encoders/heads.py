"""The trained part of the embedded encoder: small heads on the two frozen towers.

Image: a two-layer perceptron on the pooled feature and the ConSE vector, added to the ConSE vector
itself. Text: a two-layer perceptron added to the sentence vector. Both towers thus start out
as ConSE, which is what carries over to pictures unlike those of the training, and learn the rest.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.functional import normalize

from scoring.encoders.conse import conse
from scoring.encoders.lite0 import POOLED
from scoring.encoders.minilm import WIDTH

if TYPE_CHECKING:
    from collections.abc import Mapping

CONSE_SCALE = 8.0
"""Brings the components of a unit vector near those of the standardised features."""


@dataclass(frozen=True)
class HeadShape:
    """Sizes and training-time noise of one head.

    Attributes:
        hidden: Width of the image head's hidden layer.
        text_hidden: Width of the text head's hidden layer.
        dropout: On hidden layers.
        image_dropout: On the image head's input.
        text_dropout: On the text head's input.
    """

    hidden: int = 512
    text_hidden: int = 512
    dropout: float = 0.5
    image_dropout: float = 0.2
    text_dropout: float = 0.2


class Heads(nn.Module):
    """One pair of heads into the space of the sentence vectors.

    Args:
        shape: Sizes.
        classifier: Weight (1000, 1280) and bias (1000,) of the ImageNet classifier.
        names: Unit vectors of the class names, shape (1000, 384).
        mean: Mean of the pooled feature over the training pictures, shape (1280,).
        spread: Its standard deviation, shape (1280,).
    """

    def __init__(
        self,
        shape: HeadShape,
        classifier: tuple[torch.Tensor, torch.Tensor],
        names: torch.Tensor,
        mean: torch.Tensor,
        spread: torch.Tensor,
    ) -> None:
        super().__init__()
        self.shape = shape
        for key, value in (("weight", classifier[0]), ("bias", classifier[1]), ("names", names)):
            self.register_buffer(f"class_{key}", value, persistent=False)
        self.register_buffer("mean", mean.clone())
        self.register_buffer("spread", spread.clone())
        self.image = nn.Sequential(
            nn.Dropout(shape.image_dropout),
            nn.Linear(POOLED + WIDTH, shape.hidden),
            nn.GELU(),
            nn.Dropout(shape.dropout),
            nn.Linear(shape.hidden, WIDTH),
        )
        self.text = nn.Sequential(
            nn.Dropout(shape.text_dropout),
            nn.Linear(WIDTH, shape.text_hidden),
            nn.GELU(),
            nn.Dropout(shape.dropout),
            nn.Linear(shape.text_hidden, WIDTH),
        )
        self.residual = nn.Parameter(torch.tensor(1.0))
        for last in (self.image[-1], self.text[-1]):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    def conse(self, pooled: torch.Tensor) -> torch.Tensor:
        """ConSE vectors of shape (n, 384), unit length."""
        weight, bias = self.get_buffer("class_weight"), self.get_buffer("class_bias")
        return conse(pooled @ weight.T + bias, self.get_buffer("class_names"))

    def embed_images(self, pooled: torch.Tensor) -> torch.Tensor:
        """Pooled features (n, 1280) to unit vectors (n, 384)."""
        names = self.conse(pooled)
        centred = (pooled - self.get_buffer("mean")) / (self.get_buffer("spread") + 0.05)
        learned = self.image(torch.cat([centred, CONSE_SCALE * names], dim=1))
        return normalize(self.residual * names + learned, dim=1)

    def embed_texts(self, sentences: torch.Tensor) -> torch.Tensor:
        """Sentence vectors (n, 384) to unit vectors (n, 384)."""
        return normalize(sentences + self.text(sentences), dim=1)


class Ensemble(nn.Module):
    """Several heads that differ by their seed; their vectors are averaged.

    Each head was trained from the same start (the ConSE space), so that the spaces agree.
    """

    def __init__(self, members: Sequence[Heads]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def embed_images(self, pooled: torch.Tensor) -> torch.Tensor:
        """Pooled features (n, 1280) to unit vectors (n, d)."""
        parts = [member.embed_images(pooled) for member in self._heads()]
        return normalize(torch.cat(parts, dim=1), dim=1)

    def embed_texts(self, sentences: torch.Tensor) -> torch.Tensor:
        """Sentence vectors (n, 384) to unit vectors (n, d)."""
        parts = [member.embed_texts(sentences) for member in self._heads()]
        return normalize(torch.cat(parts, dim=1), dim=1)

    def _heads(self) -> list[Heads]:
        return [member for member in self.members if isinstance(member, Heads)]
