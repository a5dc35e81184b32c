"""Cosines of blocks of rows with fixed prototypes on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np


class DeviceCosines:
    """Holds the prototypes on a device.

    Whatever order a device adds in, a float32 product is off by less than the tie of
    ``selector.prune.lloyd``, which settles close ones in float64: labels are those of a
    processor, to the last row.

    Args:
        centres: (k, d) float32 unit rows.
        device: As torch names it, e.g. ``"cuda"``.
    """

    def __init__(self, centres: np.ndarray, device: str) -> None:
        import torch

        self._torch = torch
        self._device = torch.device(device)
        self._centres = torch.from_numpy(centres).to(self._device)

    def __call__(self, rows: np.ndarray, tie: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Largest cosines, and which others are as large as far as float32 can tell.

        Args:
            rows: (m, d) float32 on the grid.
            tie: Difference below which two cosines, times the grid, must be compared again.

        Returns:
            (m,) int64 prototype with the largest cosine; (c,) rows that another prototype is close
            for; (c, k) true for the prototypes that are.
        """
        torch = self._torch
        with _whole_float32(torch), torch.no_grad():
            cosines = torch.from_numpy(rows).to(self._device) @ self._centres.T
            top, label = cosines.max(dim=1)
            floor = (top - tie)[:, None]
            close = ((cosines >= floor).sum(dim=1) > 1).nonzero()[:, 0]
            near = cosines[close] >= floor[close]
            return label.cpu().numpy(), close.cpu().numpy(), near.cpu().numpy()


@contextmanager
def _whole_float32(torch: Any) -> Iterator[None]:
    """No TensorFloat-32, whose products are off by far more."""
    matmul = torch.backends.cuda.matmul
    before = matmul.allow_tf32
    matmul.allow_tf32 = False
    try:
        yield
    finally:
        matmul.allow_tf32 = before


def usual_cosines() -> Callable[[np.ndarray], DeviceCosines] | None:
    """Makes them on the GPU, where there is one, else ``None``: the processor does it itself."""
    import torch

    return partial(DeviceCosines, device="cuda") if torch.cuda.is_available() else None
