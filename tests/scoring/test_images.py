"""Decoding threads: each on one core, and nobody else."""

import os
from threading import Thread

import pytest
import torch

from scoring.images import _one_core


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core is all there is")
def test_a_thread_on_one_core_slows_no_other_thread_down():
    found = {}

    def decoding():
        _one_core()
        found["decoding"] = torch.get_num_threads()

    for name, work in [
        ("before", None),
        ("decoding", decoding),
        ("after", None),
    ]:
        thread = Thread(target=work or (lambda n=name: found.update({n: torch.get_num_threads()})))
        thread.start()
        thread.join()
    assert found["decoding"] == 1
    assert found["after"] == found["before"] > 1
