"""How many threads small networks are trained in: one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


@contextmanager
def one_thread() -> Iterator[None]:
    """For what is small: threads gain nothing there, and beside other load wait ten times."""
    import torch
    from threadpoolctl import threadpool_limits

    torch.get_num_threads()  # torch sets its number once, when it is first asked for
    with threadpool_limits(1):
        yield


def threads_for(model: nn.Module) -> AbstractContextManager[None]:
    """One thread for a network of linear layers alone, and as many as there are for any other."""
    from torch import nn

    weighted = [m for m in model.modules() if next(m.parameters(recurse=False), None) is not None]
    return one_thread() if all(isinstance(m, nn.Linear) for m in weighted) else nullcontext()
