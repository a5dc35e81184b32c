"""ConSE: an image as the mean of its ImageNet class names, weighted by their probabilities.

Source: Norouzi et al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings"
(ICLR 2014), equation 5, over all classes, with sentence vectors in place of word vectors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scoring.encoders.wheels import require_module

if TYPE_CHECKING:
    import torch


def class_names() -> list[str]:
    """The 1,000 ImageNet-1k class names in the classifier's order, synonyms joined by commas.

    Raises:
        BadInputError: timm, which holds them, is not installed.
    """
    info = require_module("timm.data").ImageNetInfo()
    return [info.index_to_description(index) for index in range(info.num_classes())]


def conse(logits: torch.Tensor, name_vectors: torch.Tensor) -> torch.Tensor:
    """The convex combination of class-name vectors.

    Args:
        logits: Of shape (n, 1000).
        name_vectors: Unit vectors of the class names, shape (1000, d).

    Returns:
        Unit vectors of shape (n, d).
    """
    import torch

    mixed = torch.softmax(logits.float(), dim=1) @ name_vectors
    return torch.nn.functional.normalize(mixed, dim=1)
