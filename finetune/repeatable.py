"""The same weights every time, and nobody else's random numbers touched."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def repeatable() -> Iterator[None]:
    """Within it kernels are deterministic; after it all global states are as they were.

    Trainers seed the global generators, so those get their states back. On a GPU several kernels
    add in an order that changes from run to run; PyTorch is asked for others, and where it has
    none goes on.
    """
    with _same_random_states(), _deterministic_kernels(), warnings.catch_warnings():
        # What TRL and the trainer say to each other about names that will change.
        warnings.simplefilter("ignore", FutureWarning)
        warnings.filterwarnings("ignore", message=".*deterministic")
        # Adapters are merged at the end: nothing is loaded by the name of what they stood on.
        warnings.filterwarnings("ignore", message="The PEFT config's `base_model_name_or_path`")
        yield


@contextmanager
def _deterministic_kernels() -> Iterator[None]:
    import torch

    if not torch.cuda.is_available():
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
    memory: Any = torch.utils.deterministic
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        memory.fill_uninitialized_memory,
    )
    torch.use_deterministic_algorithms(True, warn_only=True)
    memory.fill_uninitialized_memory = False  # costs time and changes nothing
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        memory.fill_uninitialized_memory = before[2]


@contextmanager
def _same_random_states() -> Iterator[None]:
    import random

    import numpy as np
    import torch

    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])
        if cuda:
            torch.cuda.set_rng_state_all(cuda)
