"""Metrics and a slow, counting encoder that workers of a test's cluster can make for themselves."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

from scoring.engine import make_metrics
from scoring.metric import Models

METRICS = ["length", "repetition", "boilerplate", "alignment", "image_quality"]


class SlowEncoder:
    """Colour means and letter counts; every pass takes its time and leaves a line behind."""

    name = "slow"
    key = "slow-1"
    dim = 8
    batch_size = 4
    one_core_passes = False
    whole_images = False

    def __init__(self, log: Path, seconds: float) -> None:
        self.log, self.seconds = log, seconds

    def preprocess(self, image):
        import torch

        small = np.asarray(image.convert("RGB").resize((4, 4)), np.float32)
        return torch.from_numpy(small.transpose(2, 0, 1) / 255)

    def encode_images(self, pixels):
        time.sleep(self.seconds)
        with self.log.open("a") as file:
            file.write(f"{os.getpid()}\n")
        flat = pixels.reshape(len(pixels), -1).numpy()[:, : self.dim] + 0.1
        return flat / np.linalg.norm(flat, axis=1, keepdims=True)

    def encode_texts(self, texts):
        counts = np.array([[t.count(c) + 0.1 for c in "aeioustr"] for t in texts], np.float32)
        return counts / np.linalg.norm(counts, axis=1, keepdims=True)


def make(log: Path, seconds: float, workers: int = 1):
    """Metrics and models, as a worker makes them."""
    models = Models("slow", encoder=SlowEncoder(log, seconds))
    return make_metrics(models, METRICS), models
