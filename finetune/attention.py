"""Which attention trains fastest here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from finetune.data import Prepared

LONGEST = 512
"""Tokens above which the plain attention would need too much memory."""


def quick_attention(model: Any, rows: Sequence[Prepared]) -> None:
    """On a CPU take the plain attention for short sequences.

    PyTorch's fused attention goes backward slowly there.

    Args:
        model: About to be trained.
        rows: All that it will see.
    """
    longest = max((len(row.input_ids) for row in rows), default=0)
    if model.device.type == "cpu" and longest <= LONGEST:
        model.set_attn_implementation("eager")
