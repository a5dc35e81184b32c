"""Assignment through torch: the labels of numpy, whatever the device adds up first."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.device_cosines import DeviceCosines
from selector.prune.lloyd import Assigner
from selector.prune.prototypes import fit_prototypes
from selector.prune.streams import Rows

LACKING = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
DEVICES = ["cpu", pytest.param("cuda", marks=LACKING)]


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("device", DEVICES)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 60), count=st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_labels_are_those_of_a_processor(device, seed, rows, count):
    """Ties too: centres that are equal, opposite, or a last bit apart; and broken rows."""
    rng = np.random.default_rng(seed)
    block = rng.normal(size=(rows, 5)).astype(np.float16)
    block[rng.random(rows) < 0.1] = np.nan
    centres = unit(rng.normal(size=(count, 5)))
    centres[rng.integers(count)] = centres[0]
    centres[-1] = np.nextafter(centres[0], np.float32(1))
    here, rows_here, present = Assigner(centres)(block)
    there, rows_there, also = Assigner(centres, cosines=partial(DeviceCosines, device=device))(
        block
    )
    assert np.array_equal(here, there)
    assert np.array_equal(rows_here, rows_there) and np.array_equal(present, also)


@pytest.mark.parametrize("device", DEVICES)
def test_prototypes_are_those_of_a_processor(device):
    matrix = np.random.default_rng(1).normal(size=(400, 16)).astype(np.float16)
    made = partial(DeviceCosines, device=device)
    one = fit_prototypes(matrix, 11, seed=3)
    other = fit_prototypes(matrix, 11, seed=3, over=Rows(matrix, threads=2, cosines=made))
    assert one.centres.tobytes() == other.centres.tobytes()
    assert one.labels.tobytes() == other.labels.tobytes()
    assert one.distance.tobytes() == other.distance.tobytes()
