"""Time is not that of watching memory."""

import tracemalloc

import numpy as np

from finetune.reduce.measured import measured


def test_time_and_memory_are_of_calls_of_their_own():
    watched = []

    def work():
        watched.append(tracemalloc.is_tracing())
        return np.zeros(1_000_000, np.uint8)[:3].tolist()

    made, seconds, peak = measured(work)
    assert made == [0, 0, 0] and watched == [False, True] and not tracemalloc.is_tracing()
    assert 0 < seconds < 10 and peak >= 1_000_000
