"""Time and memory of a call, each measured by itself: to watch memory slows what is timed."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def measured(work: Callable[[], T]) -> tuple[T, float, int]:
    """What a call gives, its seconds, and the bytes that it had allocated at most.

    Args:
        work: Called twice, the second time for its memory; it must give the same.
    """
    began = time.perf_counter()
    made = work()
    seconds = time.perf_counter() - began
    tracemalloc.start()
    try:
        work()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return made, seconds, peak
