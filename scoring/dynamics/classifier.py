"""One training on some rows; at its end, whether other rows are right."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import torch
from torch import nn

from data_cards.errors import BadInputError
from scoring.dynamics.proxies import Make
from scoring.dynamics.trainer import SCORED, Recipe, batches, optimiser_of, tensor_of
from scoring.threads import threads_for


def steps_of(rows: int, recipe: Recipe) -> int:
    """Steps of so many epochs over ``rows``."""
    return recipe.epochs * len(batches(np.arange(rows), recipe.batch_size))


def right_after(
    make: Make,
    inputs: np.ndarray,
    labels: np.ndarray,
    train: np.ndarray,
    asked: np.ndarray,
    steps: int,
    *,
    recipe: Recipe,
    seed: int,
    device: str = "cpu",
) -> np.ndarray:
    """Whether each of ``asked`` is right after the last step of a training on ``train``.

    No step, rate or epoch is chosen by the rows asked for.

    Args:
        make: Makes the model, under the seed.
        inputs: (n, ...) as for :func:`scoring.dynamics.trainer.train_signals`.
        labels: (n,) classes from 0 up.
        train: (m,) positions; their order plays no part.
        asked: (t,) positions.
        steps: Optimiser steps; the rate falls to 0 over them, as the recipe's schedule says.
        recipe: Batch size, rate and the like; its epochs are not looked at.
        seed: Of weights and order.
        device: Where.

    Returns:
        (t,) bool.

    Raises:
        BadInputError: The training diverged.
    """
    train = np.sort(train)
    devices = [torch.cuda.current_device()] if device.startswith("cuda") else []
    with torch.random.fork_rng(devices), ExitStack() as threads:
        torch.manual_seed(seed)
        model = make().to(device)
        threads.enter_context(threads_for(model))
        optimiser = optimiser_of(model, recipe)
        model.train()
        done = epoch = 0
        while done < steps:
            order = train[np.random.default_rng([seed, epoch]).permutation(len(train))]
            for rows in batches(order, recipe.batch_size)[: steps - done]:
                for group in optimiser.param_groups:
                    group["lr"] = recipe.rate(recipe.epochs * done / steps)
                done += 1
                if len(rows) < 2 and len(train) > 1:
                    continue  # a batch norm cannot bear it
                optimiser.zero_grad(set_to_none=True)
                logits = model(tensor_of(inputs, rows, device))
                wanted = torch.from_numpy(labels[rows]).to(device)
                loss = nn.functional.cross_entropy(logits, wanted)
                if not torch.isfinite(loss):
                    raise diverged(f"step {done} of {steps}")
                loss.backward()
                optimiser.step()
            epoch += 1
        model.eval()
        right = np.zeros(len(asked), dtype=bool)
        with torch.inference_mode():
            for start in range(0, len(asked), SCORED):
                rows = asked[start : start + SCORED]
                logits = model(tensor_of(inputs, rows, device))
                if not torch.isfinite(logits).all():
                    raise diverged("its last step")
                right[start : start + SCORED] = logits.argmax(1).cpu().numpy() == labels[rows]
    return right


def diverged(where: str) -> BadInputError:
    """What is said where a loss is not finite: no accuracy is made of it."""
    return BadInputError(
        f"a training diverged in {where}", "Lower the learning rate, or look at the inputs."
    )
