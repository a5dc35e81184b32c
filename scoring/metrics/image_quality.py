"""Size, entropy and blankness of an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from scoring.metric import Column, MetricSpec, Models, register

if TYPE_CHECKING:
    from PIL.Image import Image

_SIDE = 128


@register
class ImageQuality:
    """What can be told from the pixels without a model."""

    version: ClassVar[int] = 2
    spec: ClassVar[MetricSpec] = MetricSpec(
        name="image_quality",
        summary="Size of the image, how much there is in it, and how blank it is.",
        formula=(
            "`image_aspect` = width / height. On a sample of the pixels, a grid of at most "
            f"{_SIDE} × {_SIDE}: `image_entropy` = −Σ p log₂ p over the 256 grey levels; "
            "`image_blankness` = share of the most common colour at 4 bits a channel. With "
            "several images, of the first."
        ),
        columns=(
            Column("image_width", "pixels", (1, np.inf), "none", "int"),
            Column("image_height", "pixels", (1, np.inf), "none", "int"),
            Column("image_min_side", "pixels of the shorter side", (1, np.inf), "higher", "int"),
            Column("image_aspect", "width / height", (0.0, np.inf), "none"),
            Column("image_entropy", "bits of the grey levels", (0.0, 8.0), "higher"),
            Column("image_blankness", "share of the commonest colour", (0.0, 1.0), "lower"),
        ),
        needs=frozenset({"image"}),
        cost="under 2 ms an image of 512 pixels",
        source="Shannon entropy of the grey histogram; blankness is ours",
    )

    def __init__(self, models: Models) -> None:
        del models

    def parameters(self) -> Mapping[str, Any]:
        """The side of the grid."""
        return {"side": _SIDE}

    def measure(self, image: Image, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Measure one RGB image.

        Args:
            image: The decoded image, possibly a reduced one.
            facts: ``width`` and ``height`` of the original, where they differ from the image's.
        """
        from PIL.Image import Resampling

        width = int(facts.get("width") or image.width)
        height = int(facts.get("height") or image.height)
        # Picked pixels, not averaged ones: averaging makes colours that are not in the image.
        grid = (min(image.width, _SIDE), min(image.height, _SIDE))
        small = image.convert("RGB").resize(grid, Resampling.NEAREST)
        share = np.array(small.convert("L").histogram()) / (grid[0] * grid[1])
        present = share[share > 0]
        coarse = np.asarray(small).reshape(-1, 3).astype(np.uint16) >> 4
        colours = (coarse[:, 0] << 8) | (coarse[:, 1] << 4) | coarse[:, 2]
        return {
            "image_width": width,
            "image_height": height,
            "image_min_side": min(width, height),
            "image_aspect": width / height,
            "image_entropy": max(0.0, float(-(present * np.log2(present)).sum())),
            "image_blankness": float(np.bincount(colours).max() / len(colours)),
        }
