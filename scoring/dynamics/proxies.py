"""Small networks to train in place of a large one; any ``nn.Module`` will do as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

Make = Callable[[], nn.Module]


class ConvNet(nn.Sequential):
    """Blocks of convolution, instance norm, ReLU and average pooling, then a linear layer.

    The network of the condensation papers (Gidaris and Komodakis 2018; Zhao et al.,
    arXiv 2006.05929).

    Args:
        channels: Of the pictures.
        side: Their height and width in pixels.
        classes: How many.
        width: Channels of each block.
        depth: Blocks; each halves the side.
    """

    def __init__(
        self, channels: int, side: int, classes: int, width: int = 128, depth: int = 3
    ) -> None:
        blocks: list[nn.Module] = []
        before = channels
        for _ in range(depth):
            blocks += [
                nn.Conv2d(before, width, 3, padding=1),
                nn.GroupNorm(width, width, affine=True),
                nn.ReLU(inplace=True),
                nn.AvgPool2d(2),
            ]
            before, side = width, side // 2
        super().__init__(*blocks, nn.Flatten(), nn.Linear(width * side * side, classes))


def convnet(channels: int, side: int, classes: int, width: int = 128, depth: int = 3) -> Make:
    """Makes a :class:`ConvNet`."""
    return lambda: ConvNet(channels, side, classes, width, depth)


def resnet18(channels: int, classes: int, small: bool = True) -> Make:
    """Makes torchvision's ResNet-18.

    Args:
        channels: Of the pictures.
        classes: How many.
        small: Whether pictures are small (32 pixels): a stem of one 3x3 convolution without stride
            and without pooling, as usual for CIFAR.
    """

    def make() -> nn.Module:
        from torchvision.models import resnet18 as build

        model: Any = build(weights=None, num_classes=classes)
        if small:
            model.conv1 = nn.Conv2d(channels, 64, 3, padding=1, bias=False)
            model.maxpool = nn.Identity()
        elif channels != 3:
            model.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
        return model

    return make


def linear(dim: int, classes: int) -> Make:
    """Makes a linear layer on stored embeddings; give it those of :func:`centred`."""
    return lambda: nn.Linear(dim, classes)


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """(n, d) float32: each row brought to length 1; one of zeros stays what it is."""
    made = np.array(vectors, dtype=np.float32)
    made /= np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-12)
    return made


def centred(features: np.ndarray, over: np.ndarray | None = None) -> np.ndarray:
    """Embeddings as gradient descent learns from them: mean 0, mean squared coordinate 1.

    Unit vectors of one encoder have nearly the same direction: on the raw ones a linear layer
    hardly leaves its start in the epochs that it is given.

    Args:
        features: (n, d) float.
        over: (m,) positions of the rows that mean and scale are taken of, those to train on, so
            that nothing is learned of the others; ``None``: all.

    Returns:
        (n, d) float32.
    """
    rows = np.asarray(features if over is None else features[over], dtype=np.float64)
    mean = rows.mean(axis=0)
    scale = float(np.sqrt(np.square(rows - mean).mean())) or 1.0
    return np.asarray((features - mean) / scale, dtype=np.float32)


def last_linear(model: nn.Module) -> nn.Linear:
    """The last linear layer of a model, in the order of its modules.

    Raises:
        ValueError: It has none.
    """
    found = [one for one in model.modules() if isinstance(one, nn.Linear)]
    if not found:
        raise ValueError("the model has no linear layer to take features before")
    return found[-1]


class Tap:
    """Keeps what goes into the last linear layer of a model in the latest pass.

    Args:
        model: Any, with a linear layer at its end.
    """

    def __init__(self, model: nn.Module) -> None:
        self.features: torch.Tensor | None = None
        self._hook = last_linear(model).register_forward_pre_hook(self._keep)

    def _keep(self, module: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        self.features = given[0].detach()

    def __enter__(self) -> Tap:
        return self

    def __exit__(self, *_: object) -> None:
        self._hook.remove()
