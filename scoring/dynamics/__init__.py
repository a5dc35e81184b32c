"""What a training run says of its samples: signals recorded once, and the scores made of them.

Every score has one sense: **higher is harder**.
"""

from scoring.dynamics.curvature import input_curvature
from scoring.dynamics.gradients import grand, grand_last_layer
from scoring.dynamics.scores import aum, el2n, entropy, forgetting, loss, margin
from scoring.dynamics.signals import Signals
from scoring.dynamics.subsets import Memorization, memorization, subset_runs
from scoring.dynamics.trainer import Recipe, train_signals

__all__ = [
    "Memorization",
    "Recipe",
    "Signals",
    "aum",
    "el2n",
    "entropy",
    "forgetting",
    "grand",
    "grand_last_layer",
    "input_curvature",
    "loss",
    "margin",
    "memorization",
    "subset_runs",
    "train_signals",
]
