"""Embedded scoring against the plain loop: images per second, and whether the ranking is kept.

The plain loop is what one writes on an afternoon: the same weights in float32 as loaded, one image
after the other from disk in one thread, batches of 32, image and response encoded, cosine taken.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import picture_samples, record

IMAGES = 1024
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
    from PIL import Image

    encoder = _plain_encoder()
    scores = []
    for start in range(0, len(samples), BATCH):
        chunk = samples[start : start + BATCH]
        pixels = torch.stack(
            [encoder.preprocess(Image.open(s.images[0].path).convert("RGB")) for s in chunk]
        )
        images = encoder.encode_images(pixels)
        texts = encoder.encode_texts([s.response for s in chunk])
        scores.append((images * texts).sum(axis=1))
    return np.concatenate(scores)


def _plain_encoder(cache: dict[str, Any] = {}) -> Any:  # noqa: B006  (kept between calls)
    if not cache:
        from scoring.encoders.embedded import EmbeddedEncoder

        cache["encoder"] = EmbeddedEncoder(precision="float32")
    return cache["encoder"]


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
