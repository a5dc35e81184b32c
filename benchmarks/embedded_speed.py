"""Embedded scoring against the plain loop: images per second, and whether the ranking is kept.

The plain loop is what one writes on an afternoon: the same weights in float32 as loaded, one image
after the other from disk in one thread, batches of 32, image and response encoded (by
sentences, and by the pieces of the published form), cosine taken.
"""

from __future__ import annotations

import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.common import picture_samples, record

IMAGES = 640
BATCH = 32


def main() -> None:
    """Both ways over the same pairs, alternating, best of two."""
    from scipy.stats import spearmanr

    samples = picture_samples(IMAGES)
    _plain(samples[:BATCH])  # both ways loaded and warm
    _pickwell(samples[:BATCH])
    seconds: dict[str, list[float]] = {"plain": [], "pickwell": []}
    for _ in range(2):
        started = time.perf_counter()
        plain = _plain(samples)
        seconds["plain"].append(time.perf_counter() - started)
        started = time.perf_counter()
        ours = _pickwell(samples)
        seconds["pickwell"].append(time.perf_counter() - started)
    best = {name: min(values) for name, values in seconds.items()}
    record(
        "embedded_speed",
        {
            "images": len(samples),
            "plain_images_per_second": round(len(samples) / best["plain"], 1),
            "pickwell_images_per_second": round(len(samples) / best["pickwell"], 1),
            "ratio": round(best["plain"] / best["pickwell"], 2),
            "ratio_required": 3.0,
            "spearman": round(float(spearmanr(plain, ours).statistic), 5),
            "spearman_required": 0.998,
            "seconds": {name: [round(v, 2) for v in values] for name, values in seconds.items()},
        },
    )


def _plain(samples: list[Any]) -> np.ndarray:
    import torch

    from data_cards.images import ImageLimits, decode, read_bytes
    from scoring.metrics.alignment import pieces, release_pieces

    encoder = _plain_encoder()
    scores = []
    for start in range(0, len(samples), BATCH):
        chunk = samples[start : start + BATCH]
        pictures = [read_bytes(s.images[0], ImageLimits().max_bytes) for s in chunk]
        pixels = torch.stack([encoder.preprocess(decode(data)[0]) for data in pictures])
        images = encoder.encode_images(pixels)
        sentences = [pieces(s.response) for s in chunk]
        texts = encoder.encode_texts([piece for row in sentences for piece in row])
        ends = np.cumsum([len(row) for row in sentences])[:-1]
        means = np.stack([rows.mean(axis=0) for rows in np.split(texts, ends)])
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        scores.append((images * means).sum(axis=1))
        # the published form of the metric, which the engine's run writes too
        encoder.encode_texts([piece for s in chunk for piece in release_pieces(s.response)])
    return np.concatenate(scores)


@cache
def _plain_encoder() -> Any:
    """The same weights as timm builds and loads them: float32, no folding, default layout."""
    import torch

    from scoring.encoders import lite0
    from scoring.encoders.embedded import EmbeddedEncoder

    class PlainTower(lite0.Lite0):
        def __init__(self) -> None:
            self.model = lite0.load_lite0()
            self.precision, self.device = "float32", "cpu"

        def features(self, pixels: torch.Tensor) -> lite0.Features:
            with mock.patch.object(lite0, "normalise_pixels", lambda x: x.float() / 127.5 - 1):
                return super().features(pixels)

    encoder = EmbeddedEncoder(precision="float32")
    encoder._parts()["tower"] = PlainTower()
    return encoder


def _pickwell(samples: list[Any]) -> np.ndarray:
    from scoring.engine import EngineOptions, make_metrics, score
    from scoring.models import models_from_spec

    models = models_from_spec("embedded")
    with tempfile.TemporaryDirectory() as folder:
        run = score(
            samples,
            Path(folder) / "run",
            make_metrics(models, ["alignment"]),
            models,
            EngineOptions(Path(folder) / "cache"),
        )
        return run.numeric()["alignment"]


if __name__ == "__main__":
    main()
