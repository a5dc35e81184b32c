"""How large a proof is: the whole one, and a quick one that shows that everything runs."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Size:
    """Numbers of trainings and samples.

    Attributes:
        train: What is trained.
        learning_rate: Its peak.
        steps: Optimiser steps of the comparisons' trainings, of 8 samples each.
        seeds: Of the main comparison and of the clean pool's.
        few_seeds: Of what diversity adds, and of the curve.
        budget: Chosen.
        curve: Further budgets.
        arms: Of the main comparison.
        epochs: Passes of the rule of equal epochs; ``None``: equal steps only.
        label_steps: Steps of the labels' trainings; each takes a whole subset of ``size``, so that
            no order of the data decides.
        label_rate: Their peak learning rate.
        subsets: Random groups of the design ``subsets``.
        designed: Designed ones; 0: the design is left out.
        clusters: Groups of the design ``clusters``.
        size: Samples in a subset.
        fresh: Fresh subsets.
        repeat_groups: Groups that are repeated.
        target: At most so many target samples for labels.
        test: At most so many test samples.
        pool: At most so many rows of the pool; ``None``: all.
        sources: At most so many of the largest, that a learned quality has not seen.
        workers: That train side by side, at most; 0: this process, since starting takes longer.
        diversity: Arms of the question what diversity adds. One cluster is not among them: it is
            ``quality-only``, and would count twice in the correction of p.
    """

    train: str = "projector"
    learning_rate: float = 1e-4
    steps: int = 25
    seeds: int = 5
    few_seeds: int = 3
    budget: int = 200
    curve: tuple[int | str, ...] = (50, 400)
    arms: tuple[str, ...] = (*("selected", "random", "longest", "consensus", "k-center", "full"),)
    epochs: float | None = 1.0
    label_steps: int = 3
    label_rate: float = 4e-4
    subsets: int = 24
    designed: int = 0
    clusters: int = 12
    size: int = 24
    fresh: int = 16
    repeat_groups: int = 3
    target: int = 60
    test: int = 100
    pool: int | None = None
    sources: int = 4
    workers: int = 16
    diversity: tuple[str, ...] = field(
        default=(
            *("quality-only", "clusters-only"),
            *("selected:clusters=10", "selected:clusters=30", "selected:clusters=100"),
        )
    )


FULL = Size()
QUICK = Size(
    steps=2,
    seeds=2,
    few_seeds=2,
    budget=16,
    curve=(8,),
    arms=("selected", "random", "longest", "full"),
    epochs=None,
    label_steps=1,
    subsets=10,
    designed=0,
    clusters=10,
    size=8,
    fresh=3,
    repeat_groups=2,
    target=8,
    test=10,
    pool=160,
    sources=2,
    workers=0,
    diversity=("quality-only", "clusters-only", "selected:clusters=4"),
)
