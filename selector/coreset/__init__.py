"""The coreset shelf: the classic ways to cut a data set down, each with its paper.

:func:`choose` takes any of them by name; every one answers with positions in picking order.
"""

from selector.coreset import (  # noqa: F401  (each registers its methods)
    ccs,
    d2,
    facility,
    graph_cut,
    herding,
    kcenter,
    ranked,
    semantic,
)
from selector.coreset.base import Method, Picks, Pool, methods
from selector.coreset.budget import Budget
from selector.coreset.choose import Coreset, choose

__all__ = ["Budget", "Coreset", "Method", "Picks", "Pool", "choose", "methods"]
