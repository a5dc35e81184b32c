"""Every method, every budget, every seed: split, score, choose, train, measure; kept as it goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np

from data_cards.errors import BadInputError
from finetune.reduce.classifier import accuracy_after
from finetune.reduce.entries import Entry
from finetune.reduce.kept import NAME, Kept
from finetune.reduce.measured import measured
from finetune.reduce.outcomes import RANDOM, Outcome
from finetune.reduce.scores import Scores
from finetune.reduce.split import refuse_impossible, split_by_class
from scoring.dynamics.classifier import steps_of
from scoring.dynamics.proxies import Make, centred
from scoring.dynamics.trainer import Recipe
from selector.coreset import Budget, choose

Progress = Callable[[str, int, int | None], None]
RULES = ("epochs", "steps")
STAGES = {"proxy": "epochs for scores", "subset models": "trainings for memorization"}
"""What the trainings that scores come from are called while they run."""


@dataclass(frozen=True)
class Labelled:
    """What is reduced and trained on.

    Attributes:
        ids: (n,) distinct ids.
        labels: (n,) classes from 0 up.
        features: (n, d) what methods choose by.
        inputs: (n, ...) what the model sees; ``None``: the features, centred over the rows that
            are trained on, for a linear one.
        groups: (n,) what a split must not divide; ``None``: nothing.
        identity: Of all of this.
        class_names: Of each class, for messages; empty: its number is told.
    """

    ids: np.ndarray
    labels: np.ndarray
    features: np.ndarray
    inputs: np.ndarray | None
    groups: np.ndarray | None
    identity: str
    class_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What is tried.

    Attributes:
        entries: Methods; random is always among them.
        budgets: In words, and as they are.
        seeds: Repetitions, each with a split of its own.
        make: Makes the model that is trained.
        recipe: Its training.
        proxy: Makes the proxy that scores come from; trained on all training rows.
        proxy_inputs: What the proxy sees; ``None``: the features, centred likewise.
        proxy_recipe: Its training.
        proxy_runs: How often it is trained.
        test_share: Share of the rows that is tested on.
        device: Where.
        describe: What the rest does not say of models and inputs, for the identity of outcomes.
        proxy_epoch: After which ``el2n``, ``grand``, ``entropy`` and ``margin`` are read off.
    """

    entries: tuple[Entry, ...]
    budgets: Mapping[str, Budget]
    seeds: tuple[int, ...]
    make: Make
    recipe: Recipe
    proxy: Make
    proxy_recipe: Recipe
    proxy_inputs: np.ndarray | None = None
    proxy_runs: int = 3
    test_share: float = 0.2
    device: str = "cpu"
    describe: str = ""
    proxy_epoch: int | None = None


def run_benchmark(
    data: Labelled,
    plan: Plan,
    folder: Path,
    *,
    on_progress: Progress = lambda s, d, t: None,
    on_there: Callable[[int, int], None] = lambda there, total: None,
) -> list[Outcome]:
    """Try everything; what is done already in ``folder`` is not done again.

    Args:
        data: What is reduced.
        plan: What is tried.
        folder: Where outcomes and signals are kept.
        on_progress: Called with ``("trainings", done, in all)``, and likewise for the trainings
            that scores come from: those of all seeds together, under names of their own.
        on_there: Called once, with how many trainings are there already and how many in all.

    Returns:
        Every outcome, in the order of the plan.

    Raises:
        BadInputError: A budget or method cannot be had of these data, which for budgets is said
            before anything is trained; ``folder`` holds something else; or a training diverged.
    """
    entries = list(dict.fromkeys([*(e.name for e in plan.entries), RANDOM]))
    known = {entry.name: entry for entry in plan.entries} | {RANDOM: Entry(RANDOM)}
    folder.mkdir(parents=True, exist_ok=True)
    kept = Kept(folder / NAME, data, plan)
    splits = {seed: _split(data, plan, seed) for seed in plan.seeds}
    wanted = [(seed, words, name, rule) for seed in plan.seeds for words in plan.budgets
              for name in entries for rule in RULES]  # fmt: skip
    done = sum(kept.get(*one) is not None for one in wanted)
    on_there(done, len(wanted))
    for place, (seed, (train, test)) in enumerate(splits.items()):
        scores = Scores(
            data, plan, train, seed, folder / f"signals-{seed}",
            on_progress=_of_all_seeds(on_progress, place, len(splits)),
        )  # fmt: skip
        inputs = cache(partial(_inputs, data, train))
        for words, budget in plan.budgets.items():
            for name in entries:
                missing = [rule for rule in RULES if kept.get(seed, words, name, rule) is None]
                if missing:
                    on_progress("trainings", done, len(wanted))
                    _try(
                        data, inputs(), plan, known[name], words, budget, seed, train, test, scores,
                        kept,
                    )  # fmt: skip
                    done += len(missing)
        on_progress("trainings", done, len(wanted))
    return [kept.found[one] for one in wanted]


def _inputs(data: Labelled, train: np.ndarray) -> np.ndarray:
    """What the model sees, of all rows."""
    return centred(data.features, train) if data.inputs is None else data.inputs


def _of_all_seeds(on_progress: Progress, place: int, seeds: int) -> Progress:
    """Progress of one seed's scores as part of that of all of them."""

    def told(stage: str, done: int, total: int | None) -> None:
        if total is not None:
            on_progress(STAGES.get(stage, stage), place * total + done, seeds * total)

    return told


def _split(data: Labelled, plan: Plan, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train on and to test on, each rising; every budget can be had of the former."""
    train, test = split_by_class(
        data.ids, data.labels, data.groups, test_share=plan.test_share, seed=seed
    )
    refuse_impossible(data.labels, train, test, plan.budgets, seed, data.class_names)
    return train, test


def _try(
    data: Labelled,
    inputs: np.ndarray,
    plan: Plan,
    entry: Entry,
    words: str,
    budget: Budget,
    seed: int,
    train: np.ndarray,
    test: np.ndarray,
    scores: Scores,
    kept: Kept,
) -> None:
    """Choose once, train under both rules."""
    score, score_seconds, error = None, 0.0, None
    if entry.score is not None:
        score, score_seconds = scores.of(entry.score)
        error = scores.error_of(entry.score)
    features = np.asarray(data.features[train], dtype=np.float32)
    chosen, seconds, peak = measured(
        lambda: choose(
            data.ids[train], budget, entry.method, features=features, scores=score,
            labels=data.labels[train].tolist(), seed=seed, **entry.options,
        )
    )  # fmt: skip
    rows = train[chosen.rows]
    whole = steps_of(len(train), plan.recipe)
    for rule, steps in (("epochs", steps_of(len(rows), plan.recipe)), ("steps", whole)):
        try:
            right = accuracy_after(
                plan.make, inputs, data.labels, rows, test, steps,
                recipe=plan.recipe, seed=seed, device=plan.device,
            )  # fmt: skip
        except BadInputError as wrong:
            raise BadInputError(
                f"{entry.name}, {words}, equal {rule}, seed {seed}: {wrong.message}", wrong.remedy
            ) from wrong
        kept.put(
            Outcome(
                entry.name,
                words,
                len(rows),
                rule,
                seed,
                right,
                seconds,
                peak / 2**20,
                score_seconds,
                error,
            )
        )
