"""A small network trained from scratch on what each strategy keeps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.pruning.corpora import Corpus, pixels_of
from finetune.reduce.classifier import accuracy_after
from scoring.dynamics import Recipe
from scoring.dynamics.proxies import convnet
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
    make = convnet(pixels.shape[1], side, int(corpus.classes.max()) + 1, width=32)
    recipe = Recipe(epochs=epochs, batch_size=BATCH, learning_rate=0.05)
    cells: dict[tuple[float, str, float, str], dict[int, float]] = {}
    whole: dict[tuple[float, int], float] = {}
    for seed in range(seeds):
        pool, test = split_rows(
            corpus.ids, corpus.classes, corpus.usable, groups=corpus.groups, seed=seed
        )
        train_here = partial(
            accuracy_after, make, pixels, corpus.classes, recipe=recipe, seed=seed, test=test
        )

        def train(rows: np.ndarray, steps: int, run: Any = train_here) -> float:
            return float(run(train=rows, steps=steps))

        for size in sizes:
            part = np.sort(pool[: round(size * len(pool))])
            own = corpus.classes[part]
            rows = np.asarray(corpus.matrix[part])
            found = fit_prototypes(
                rows, default_prototype_count(len(part), len(np.unique(own))), seed=seed
            )
            # a tenth of the data is gone over more often, or the network has learned nothing
            passes = round(epochs / size**0.5)
            steps = passes * -(-len(part) // BATCH)
            whole[size, seed] = train(part, steps)
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
                        right = train(mine, number)
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
