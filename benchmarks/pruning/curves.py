"""Probe accuracy over the kept fraction: at full size and at a tenth, both kinds of prototypes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.pruning.corpora import Corpus
from selector.prune.pilot import Pilot, gain_over, run_pilot

FRACTIONS = (0.2, 0.4, 0.6, 0.8, 1.0)
SIZES = (1.0, 0.1)
Say = Callable[[str], None]


def curves(corpus: Corpus, seeds: int, say: Say) -> list[dict[str, Any]]:
    """One line for each kind of prototypes, size, fraction and strategy."""
    lines = []
    for supervised in (False, True):
        for size in SIZES:
            say(f"{corpus.name}: {'class means' if supervised else 'k-means'}, {size:.0%}")
            pilot = run_pilot(
                corpus.matrix, corpus.classes, corpus.ids, fraction=FRACTIONS[0],
                usable=corpus.usable, groups=corpus.groups, supervised=supervised,
                sizes=(size,), fractions=FRACTIONS[1:], seeds=seeds,
            )  # fmt: skip
            assert pilot is not None, "too few pictures with a class"
            against = _beside_all(pilot)
            for line in pilot.table():
                key = (line["fraction"], line["strategy"])
                line["prototypes"] = "class means" if supervised else "k-means"
                line["beside_all"], line["all_low"], line["all_high"] = against[key]
                lines.append(line)
    return lines


def _beside_all(pilot: Pilot) -> dict[tuple[float, str], tuple[float, float, float]]:
    """Accuracy less that of everything kept, paired by seed, with its 95 % interval."""
    cells: dict[tuple[float, str], dict[int, float]] = {}
    for trial in pilot.trials:
        cells.setdefault((trial.fraction, trial.strategy), {})[trial.seed] = trial.accuracy
    everything = cells[1.0, "random"]
    return {key: gain_over(mine, everything) for key, mine in cells.items()}
