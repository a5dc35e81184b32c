"""Which of the processes that ``accelerate launch`` started this is."""

from __future__ import annotations

from typing import Any


def processes() -> Any:
    """Accelerate's ``PartialState``: ``num_processes``, ``is_main_process``, ``device``, ...

    Without being told that there is no accelerator, it would take several processes on a CPU for
    one each.
    """
    import torch
    from accelerate import PartialState

    return PartialState(cpu=not torch.accelerator.is_available())


def from_main(value: Any) -> Any:
    """What the first process has, in every process."""
    from accelerate.utils import broadcast_object_list

    held = [value]
    broadcast_object_list(held)
    return held[0]
