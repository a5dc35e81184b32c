"""The trained part of the embedded encoder: heads on two frozen towers.

The space has two blocks. The *learned* block is a canonical correlation analysis between what the
image tower saw and the sentence vector, plus what a few small perceptrons add to it. The *ConSE*
block compares the image's class names with the text, and is what carries over to pictures unlike
those of the training. Both blocks have a fixed share of the cosine.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import normalize

from scoring.encoders.conse import conse
from scoring.encoders.lite0 import POOLED, STAGES, Features, classifier_rows
from scoring.encoders.minilm import WIDTH

CLASSES = 1000
INPUT = POOLED + WIDTH + sum(STAGES)
"""Length of the image side's input."""
ROWS_STEP = 16
"""Rows of a pass are filled up to a multiple: what is left over takes other kernels, and ends in
other last bits."""


@dataclass(frozen=True)
class HeadShape:
    """Sizes and fixed weights, chosen on validation.

    Attributes:
        learned: Length of the learned block.
        conse: Length of the ConSE block.
        members: Number of perceptron pairs, averaged; they differ by their seed.
        hidden: Width of their hidden layers.
        conse_share: Share of the cosine that the ConSE block has.
        temperature: Of the class probabilities of the ConSE block.
        conse_weight: Weight of the ConSE vector in the input.
        stage_weights: Weights of the three parts of the stages in the input.
    """

    learned: int = 300
    conse: int = 84
    members: int = 3
    hidden: int = 256
    conse_share: float = 0.2
    temperature: float = 2.0
    conse_weight: float = 0.5
    stage_weights: tuple[float, float, float] = (0.35, 0.2, 0.2)


class Member(nn.Module):
    """What one perceptron on each side adds to the linear map; nothing before training."""

    def __init__(self, hidden: int, out: int, dropout: float = 0.5, noise: float = 0.3) -> None:
        super().__init__()
        self.image = _perceptron(INPUT, hidden, out, dropout, noise)
        self.text = _perceptron(WIDTH, hidden, out, dropout, 0.1)


class Heads(nn.Module):
    """Features of both towers to unit vectors of one space.

    Args:
        shape: Sizes and fixed weights.
    """

    class_weight: torch.Tensor
    class_bias: torch.Tensor
    class_names: torch.Tensor
    stage_mean: torch.Tensor
    stage_spread: torch.Tensor
    image_mean: torch.Tensor
    image_spread: torch.Tensor
    image_map: torch.Tensor
    text_mean: torch.Tensor
    text_map: torch.Tensor
    conse_mean: torch.Tensor
    conse_basis: torch.Tensor

    def __init__(self, shape: HeadShape) -> None:
        super().__init__()
        self.shape = shape
        weight, bias = classifier_rows()
        self.register_buffer("class_weight", weight, persistent=False)
        self.register_buffer("class_bias", bias, persistent=False)
        for name, size in {
            "class_names": (CLASSES, WIDTH),
            "stage_mean": (sum(STAGES),),
            "stage_spread": (sum(STAGES),),
            "image_mean": (INPUT,),
            "image_spread": (INPUT,),
            "image_map": (INPUT, shape.learned),
            "text_mean": (WIDTH,),
            "text_map": (WIDTH, shape.learned),
            "conse_mean": (WIDTH,),
            "conse_basis": (WIDTH, shape.conse),
        }.items():
            self.register_buffer(name, torch.zeros(size))
        self.members = nn.ModuleList(
            Member(shape.hidden, shape.learned) for _ in range(shape.members)
        )

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return self.shape.learned + self.shape.conse

    def conse(self, pooled: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
        """ConSE vectors of shape (n, 384), unit length; see :mod:`scoring.encoders.conse`."""
        logits = pooled @ self.class_weight.T + self.class_bias
        return conse(logits / temperature, self.class_names)

    def image_input(self, features: Features) -> torch.Tensor:
        """All parts of the features, each of unit length times its weight; shape (n, INPUT)."""
        # The square root evens out ReLU features, as for histograms (Arandjelovic, CVPR 2012).
        parts = [normalize(features.pooled.clamp_min(0).sqrt(), dim=1)]
        parts.append(self.shape.conse_weight * self.conse(features.pooled))
        standard = (features.stages - self.stage_mean) / self.stage_spread
        for part, weight in zip(standard.split(STAGES, 1), self.shape.stage_weights, strict=True):
            parts.append(weight * normalize(part, dim=1))
        return torch.cat(parts, dim=1)

    def learned_image(self, x: torch.Tensor, members: list[Member]) -> torch.Tensor:
        """The learned block from :meth:`image_input`, unit length."""
        centred = x - self.image_mean
        base = normalize(centred @ self.image_map, dim=1)
        added = [member.image(centred / self.image_spread) for member in members]
        return _with_members(base, added)

    def learned_text(self, sentences: torch.Tensor, members: list[Member]) -> torch.Tensor:
        """The learned block from sentence vectors (n, 384), unit length."""
        centred = sentences - self.text_mean
        base = normalize(centred @ self.text_map, dim=1)
        added = [member.text(centred * WIDTH**0.5) for member in members]
        return _with_members(base, added)

    def embed_images(self, features: Features) -> torch.Tensor:
        """Features of n pictures to unit vectors of shape (n, dim)."""
        rows = len(features.pooled)
        features = Features(_filled_up(features.pooled), _filled_up(features.stages))
        learned = self.learned_image(self.image_input(features), self._all())
        names = self.conse(features.pooled, self.shape.temperature) - self.conse_mean
        return self._joined(learned, names)[:rows]

    def embed_texts(self, sentences: torch.Tensor) -> torch.Tensor:
        """Sentence vectors (n, 384) to unit vectors of shape (n, dim)."""
        rows, sentences = len(sentences), _filled_up(sentences)
        learned = self.learned_text(sentences, self._all())
        return self._joined(learned, sentences - self.text_mean)[:rows]

    def _joined(self, learned: torch.Tensor, names: torch.Tensor) -> torch.Tensor:
        share = self.shape.conse_share
        block = normalize(names @ self.conse_basis, dim=1)
        return torch.cat([(1 - share) ** 0.5 * learned, share**0.5 * block], dim=1)

    def _all(self) -> list[Member]:
        return [member for member in self.members if isinstance(member, Member)]


def _filled_up(rows: torch.Tensor) -> torch.Tensor:
    """A multiple of :data:`ROWS_STEP` rows, the others zeros."""
    lacking = -len(rows) % ROWS_STEP
    return torch.cat([rows, rows.new_zeros(lacking, rows.shape[1])]) if lacking else rows


def _perceptron(size: int, hidden: int, out: int, dropout: float, noise: float) -> nn.Sequential:
    last = nn.Linear(hidden, out)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    first = nn.Linear(size, hidden)
    return nn.Sequential(nn.Dropout(noise), first, nn.GELU(), nn.Dropout(dropout), last)


def _with_members(base: torch.Tensor, added: list[torch.Tensor]) -> torch.Tensor:
    """Mean of the members' unit vectors; the linear map alone where there are none."""
    if not added:
        return base
    return normalize(sum((normalize(base + a, dim=1) for a in added), base * 0), dim=1)


def save_heads(heads: Heads, path: Path) -> None:
    """Write the trained numbers in float16, with their shape, as safetensors."""
    from safetensors.torch import save_file

    tensors = {k: v.detach().half().contiguous() for k, v in heads.state_dict().items()}
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, {"shape": json.dumps(asdict(heads.shape))})
    partial.chmod(0o644)
    partial.replace(path)


def load_heads(path: Path) -> Heads:
    """Read what :func:`save_heads` wrote, ready to encode, in float32."""
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        stored = json.loads(file.metadata()["shape"])
        tensors = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
    stored["stage_weights"] = tuple(stored["stage_weights"])
    heads = Heads(HeadShape(**stored))
    heads.load_state_dict(tensors)
    return heads.eval().requires_grad_(False)
