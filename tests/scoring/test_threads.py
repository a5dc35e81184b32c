"""Which networks are trained in one thread, and that the number comes back."""

import torch
from torch import nn

from scoring.dynamics.proxies import convnet, linear
from scoring.threads import one_thread, threads_for


def test_the_number_comes_back():
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_linear_layers_alone_need_one():
    before = torch.get_num_threads()
    for model in (linear(8, 3)(), nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))):
        with threads_for(model):
            assert torch.get_num_threads() == 1
    with threads_for(convnet(1, 8, 3, 4)()):
        assert torch.get_num_threads() == before
    assert torch.get_num_threads() == before
