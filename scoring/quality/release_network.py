"""The published selector network, with its quirks; only used when asked for by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from data_cards.errors import BadInputError
from scoring.quality.design import Design
from scoring.quality.forward import Arrays
from scoring.quality.regressor import register

if TYPE_CHECKING:
    from torch import nn

HEADS = 4
STEPS = 20
RATE = 0.01


@register
class Release:
    """InstructionGPT-4's network as released (code of ``waltonfuture/InstructionGPT-4``, MIT).

    Two layers of 4-head attention with residual and a linear map, a linear read-out; no
    activation, normalisation or dropout. Trained for 20 steps of Adam at rate 0.01 on all groups
    at once, with attention **across the groups at equal position**; at inference every candidate
    attends to every other. A score therefore depends on the other rows scored with it. Features
    are taken as they are (the release standardises nothing). Groups are cut to the size of the
    smallest, as the release cuts them to 114.
    """

    name: ClassVar[str] = "release"
    summary: ClassVar[str] = "the published network; its scores depend on the company"
    inner_folds: ClassVar[int] = 0
    linear: ClassVar[bool] = False
    raw: ClassVar[bool] = True

    def settings(self) -> Sequence[dict[str, Any]]:
        """Nothing to choose: the release has no validation."""
        return [{"steps": STEPS}]

    def fit(self, design: Design, masks: np.ndarray, seed: int) -> list[list[Arrays]]:
        """Train the published network on the groups of each mask.

        Raises:
            BadInputError: If the labels are per sample, or the features no multiple of 4.
        """
        if not design.grouped:
            raise BadInputError(
                "The release network learns from groups; these labels are per sample.",
                "Leave `release` out of --regressors.",
            )
        import torch

        size = int(design.sizes.min())
        starts = np.concatenate([[0], np.cumsum(design.sizes)[:-1]])
        tables = np.stack([design.rows[start : start + size] for start in starts])
        inputs = torch.tensor(tables, dtype=torch.float32)
        labels = torch.tensor(design.labels, dtype=torch.float32)
        paths: list[list[Arrays]] = []
        for mask in masks:
            network = published_network(design.rows.shape[1], seed)
            optimiser = torch.optim.Adam(network.parameters(), lr=RATE)
            seen = torch.tensor(mask)
            for _ in range(STEPS):
                loss = ((network(inputs[seen]).mean(dim=1) - labels[seen]) ** 2).mean()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
            paths.append([network_arrays(network)])
        return paths


def published_network(features: int, seed: int) -> nn.Module:
    """The untrained network: (groups, members, features) to (groups, members) scores.

    The weights are drawn in the order of the layers after ``torch.manual_seed(seed)``, in a copy of
    the generator's state, so that nobody else's draws are disturbed.

    Raises:
        BadInputError: If ``features`` is no multiple of the 4 heads.
    """
    import torch
    from torch import nn

    if features % HEADS:
        raise BadInputError(
            f"The release network takes a multiple of {HEADS} features, not {features}.",
            "Name them with --features, or leave `release` out of --regressors.",
        )

    class Published(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention_1 = nn.MultiheadAttention(features, HEADS)
            self.linear_1 = nn.Linear(features, features)
            self.attention_2 = nn.MultiheadAttention(features, HEADS)
            self.linear_2 = nn.Linear(features, features)
            self.head = nn.Linear(features, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.linear_1(x + self.attention_1(x, x, x, need_weights=False)[0])
            x = self.linear_2(x + self.attention_2(x, x, x, need_weights=False)[0])
            return self.head(x)[..., 0]

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Published()


def network_arrays(network: nn.Module) -> Arrays:
    """The arrays that :func:`~scoring.quality.forward.release` needs, from the network."""
    state = {name: p.detach().double().numpy() for name, p in network.state_dict().items()}
    arrays = {
        "heads": np.array(HEADS),
        "head": state["head.weight"][0],
        "intercept": state["head.bias"][0],
    }
    for layer in (1, 2):
        attention = f"attention_{layer}"
        arrays |= {
            f"in_weight_{layer}": state[f"{attention}.in_proj_weight"],
            f"in_bias_{layer}": state[f"{attention}.in_proj_bias"],
            f"out_weight_{layer}": state[f"{attention}.out_proj.weight"],
            f"out_bias_{layer}": state[f"{attention}.out_proj.bias"],
            f"weight_{layer}": state[f"linear_{layer}.weight"],
            f"bias_{layer}": state[f"linear_{layer}.bias"],
        }
    return {name: np.asarray(value, order="C") for name, value in arrays.items()}
