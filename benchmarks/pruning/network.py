"""A small network trained from scratch on what each strategy keeps."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.pruning.corpora import Corpus, pixels_of
from selector.prune.pilot import gain_over
from selector.prune.probe import split_rows
from selector.prune.prototypes import default_prototype_count, fit_prototypes
from selector.prune.rule import keep

STRATEGIES = ("hard", "easy", "random")
BATCH = 64
Say = Callable[[str], None]


def network_runs(
    corpus: Corpus,
    *,
    side: int,
    colour: bool,
    seeds: int,
    fractions: tuple[float, ...],
    sizes: tuple[float, ...],
    epochs: int,
    say: Say,
) -> list[dict[str, Any]]:
    """Accuracy on rows held out, at equal epochs and at equal steps, last epoch.

    Prototypes are k-means in the encoder's space: the network never sees them, nor the test rows.

    Args:
        corpus: The pictures.
        side: To which they are scaled.
        colour: Whether they keep their colours.
        seeds: Repetitions, each with a split, a sample, prototypes and weights of its own.
        fractions: Kept.
        sizes: Shares of the training rows before pruning.
        epochs: Over the rows before pruning; as many over what is kept at equal epochs.
        say: Told of progress.
    """
    pixels = pixels_of(corpus, side, colour)
    cells: dict[tuple[float, str, float, str], dict[int, float]] = {}
    whole: dict[tuple[float, int], float] = {}
    for seed in range(seeds):
        train, test = split_rows(
            corpus.ids, corpus.classes, corpus.usable, groups=corpus.groups, seed=seed
        )
        for size in sizes:
            part = np.sort(train[: round(size * len(train))])
            own = corpus.classes[part]
            rows = np.asarray(corpus.matrix[part])
            found = fit_prototypes(
                rows, default_prototype_count(len(part), len(np.unique(own))), seed=seed
            )
            # a tenth of the data is gone over more often, or the network has learned nothing
            passes = round(epochs / size**0.5)
            steps = passes * -(-len(part) // BATCH)
            whole[size, seed] = train_network(pixels, corpus.classes, part, test, steps, seed)
            for fraction in fractions:
                for strategy in STRATEGIES:
                    kept = keep(
                        found.distance, corpus.ids[part],
                        strategy=strategy,  # type: ignore[arg-type]
                        fraction=fraction, groups=own, seed=seed,
                    )  # fmt: skip
                    mine = part[kept.rows]
                    shorter = passes * -(-len(mine) // BATCH)
                    for rule, number in (("epochs", shorter), ("steps", steps)):
                        right = train_network(pixels, corpus.classes, mine, test, number, seed)
                        cells.setdefault((size, rule, fraction, strategy), {})[seed] = right
        say(f"{corpus.name}: networks of seed {seed} are through")
    lines = []
    for (size, rule, fraction, strategy), mine in cells.items():
        random = cells[size, rule, fraction, "random"]
        every = {seed: whole[size, seed] for seed in mine}
        gain, low, high = gain_over(mine, random)
        beside, all_low, all_high = gain_over(mine, every)
        lines.append(
            {
                "share": size, "rule": rule, "fraction": fraction, "strategy": strategy,
                "accuracy": float(np.mean(list(mine.values()))),
                "all": float(np.mean(list(every.values()))),
                "gain": gain, "low": low, "high": high,
                "beside_all": beside, "all_low": all_low, "all_high": all_high, "seeds": len(mine),
            }
        )  # fmt: skip
    return lines


def train_network(
    pixels: np.ndarray,
    classes: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    steps: int,
    seed: int,
) -> float:
    """Train a network of three convolutions with Adam and a one-cycle rate; accuracy at the end."""
    import torch
    from torch import nn

    names, targets = np.unique(classes[train], return_inverse=True)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        widths = (pixels.shape[1], 32, 64, 64)
        blocks = []
        for before, after in pairwise(widths):
            blocks += [
                nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after),
                nn.ReLU(), nn.MaxPool2d(2),
            ]  # fmt: skip
        model = nn.Sequential(
            *blocks, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(64 * 4, len(names))
        ).to(memory_format=torch.channels_last)
    inputs = torch.from_numpy(pixels[train])
    wanted = torch.from_numpy(targets)
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=max(2, steps))
    order = torch.zeros(0, dtype=torch.long)
    for _ in range(steps):
        if not len(order):
            order = torch.randperm(len(train), generator=generator)
        rows, order = order[:BATCH], order[BATCH:]
        if len(rows) < 2:
            continue  # a batch norm needs two
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(inputs[rows]), wanted[rows]).backward()
        optimiser.step()
        schedule.step()
    model.eval()
    right = 0
    with torch.inference_mode():
        for start in range(0, len(test), 512):
            rows = test[start : start + 512]
            found = model(torch.from_numpy(pixels[rows])).argmax(1).numpy()
            right += int((names[found] == classes[rows]).sum())
    return right / len(test)
