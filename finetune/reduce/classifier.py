"""What a reduced set is worth: one training on it, one accuracy at its end on other rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from scoring.dynamics.classifier import right_after
from scoring.dynamics.proxies import Make


def accuracy_after(
    make: Make,
    inputs: np.ndarray,
    labels: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    steps: int,
    **options: Any,
) -> float:
    """Accuracy on ``test`` after a training on ``train``; see :func:`right_after` for the rest."""
    return float(right_after(make, inputs, labels, train, test, steps, **options).mean())
