"""The metrics, one module each; importing this package registers them all and loads no model."""

from scoring.metrics import (
    alignment,
    boilerplate,
    diversity,
    embedding,
    image_quality,
    judge,
    language,
    length,
    likelihood,
    map,
    margin,
    repetition,
    reward,
    reward_model,
)

__all__ = [
    "alignment",
    "boilerplate",
    "diversity",
    "embedding",
    "image_quality",
    "judge",
    "language",
    "length",
    "likelihood",
    "map",
    "margin",
    "repetition",
    "reward",
    "reward_model",
]
