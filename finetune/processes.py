"""Which of the processes that ``accelerate launch`` started this is."""

from __future__ import annotations

import os
from typing import Any

from data_cards.errors import BadInputError


def processes() -> Any:
    """Accelerate's ``PartialState``: ``num_processes``, ``is_main_process``, ``device``, ...

    Without being told that there is no accelerator, it would take several processes on a CPU for
    one each.
    """
    import torch
    from accelerate import PartialState

    return PartialState(cpu=not torch.accelerator.is_available())


def refuse_sharding() -> None:
    """Checkpoints and the finished folder are written from whole weights.

    Raises:
        BadInputError: The launcher was told to divide the model over the processes.
    """
    for tool in ("FSDP", "DEEPSPEED"):
        if os.environ.get(f"ACCELERATE_USE_{tool}", "").lower() in ("1", "true", "yes", "y", "on"):
            raise BadInputError(
                f"A model divided over processes by {tool} cannot be trained here.",
                "Launch it as data parallel: accelerate launch --multi_gpu, without that option.",
            )


def from_main(value: Any) -> Any:
    """What the first process has, in every process."""
    from accelerate.utils import broadcast_object_list

    held = [value]
    broadcast_object_list(held)
    return held[0]
