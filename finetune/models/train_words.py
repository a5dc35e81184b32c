"""A first guess at the projector: pictures land among the embeddings of the words said of them.

Cheap, since the language model is not run: the mean of a picture's 49 tokens, multiplied with the
language model's own embeddings, must single out the words of its captions and keywords from all
words of the training texts (softmax cross-entropy; a fixed bias takes care of how common a word
is). The costly training through the language model then starts from words that it knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from data_cards.demo.captioned import CaptionedImage

if TYPE_CHECKING:
    import numpy as np
    import torch

KINDS = frozenset({"title", "caption", "name", "keywords"})
RARE = 3
"""Words of fewer pictures teach nothing that carries over."""


@dataclass(frozen=True, slots=True)
class WordRecipe:
    """Numbers of this stage.

    Attributes:
        epochs: Passes over the pictures.
        batch: Pictures in a step.
        rate: Highest learning rate (AdamW, one cycle).
        decay: Weight decay.
        dropout: Of the tower's channels, whole pictures at a time.
    """

    epochs: int = 8
    batch: int = 64
    rate: float = 1e-3
    decay: float = 0.3
    dropout: float = 0.3


def word_targets(
    items: Sequence[CaptionedImage], tokenizer: Any
) -> tuple[torch.Tensor, list[list[int]]]:
    """Tokens of the words said of each picture, as they stand inside a sentence.

    Returns:
        The vocabulary (token ids, ascending), and for each item its places in it.
    """
    import torch

    said = []
    for item in items:
        texts = [t.text for t in item.texts if t.language == "en" and t.kind in KINDS]
        words = " ".join(text.replace(",", " ") for text in texts).split()
        bare = [word.strip(".,;:!?()“”\"'").casefold() for word in words]
        spaced = [" " + word for word in bare if word]
        found = tokenizer(spaced, add_special_tokens=False)["input_ids"] if spaced else []
        said.append({token for ids in found for token in ids})
    counts = Counter(token for tokens in said for token in tokens)
    vocabulary = sorted(token for token, n in counts.items() if n >= RARE)
    place = {token: i for i, token in enumerate(vocabulary)}
    kept = [sorted(place[token] for token in tokens if token in place) for tokens in said]
    return torch.tensor(vocabulary), kept


def fit_words(
    projector: torch.nn.Module,
    features: np.ndarray,
    targets: Sequence[Sequence[int]],
    embeddings: torch.Tensor,
    recipe: WordRecipe,
    seed: int,
) -> list[float]:
    """Train the projector in place.

    Args:
        projector: 1,280 to 576 numbers.
        features: float16 (n, views, 49, 1280); each step takes a view at random.
        targets: For each picture, the numbers of its words; pictures without any are left out.
        embeddings: (words, 576), float32, of the words.
        recipe: The numbers.
        seed: Of order, views and dropout.

    Returns:
        Mean loss of each epoch.
    """
    import torch

    rows = [i for i, words in enumerate(targets) if words]
    wanted = torch.zeros(len(targets), len(embeddings))
    for i in rows:
        wanted[i, list(targets[i])] = 1 / len(targets[i])
    prior = (wanted > 0).float().mean(0).clamp_min(1e-6).log()
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(projector.parameters(), recipe.rate, weight_decay=recipe.decay)
    steps = recipe.epochs * -(-len(rows) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.rate, total_steps=steps, pct_start=0.1
    )
    means = []
    for _ in range(recipe.epochs):
        total = 0.0
        order = torch.tensor(rows)[torch.randperm(len(rows), generator=generator)]
        for part in order.split(recipe.batch):
            view = torch.randint(features.shape[1], (len(part),), generator=generator)
            seen = torch.from_numpy(features[part.numpy(), view.numpy()]).float()
            seen = seen * _kept_channels(len(part), seen.shape[2], recipe.dropout, generator)
            tokens = projector(seen)
            logits = tokens.mean(1) @ embeddings.T + prior
            loss = -(wanted[part] * logits.log_softmax(1)).sum(1).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += float(loss.detach()) * len(part)
        means.append(total / len(rows))
    return means


def _kept_channels(
    pictures: int, channels: int, rate: float, generator: torch.Generator
) -> torch.Tensor:
    """Mask (pictures, 1, channels) of dropout that keeps the mean."""
    import torch

    keep = torch.rand(pictures, 1, channels, generator=generator) >= rate
    return keep.float() / (1 - rate)
