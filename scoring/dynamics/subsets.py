"""Memorization and influence by many trainings on random parts of the data."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data_cards.errors import BadInputError
from scoring.store import atomic_path

Fit = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]
"""Trains on (m,) rows with a seed; gives whether each training and each test sample is right."""
Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Memorization:
    """What trainings with and without a sample say of it.

    Attributes:
        memorization: (n,) how much more often a sample is right with itself in the training, in
            [-1, 1]; higher is harder.
        influence: (n, m) the same for each test sample, in [-1, 1]; ``None``: no test samples.
        worst_error: Largest standard error that any of them can have.
        runs: Trainings.
        seconds: They took, whenever they were done; 0 where it was not measured.
    """

    memorization: np.ndarray
    influence: np.ndarray | None
    worst_error: float
    runs: int
    seconds: float = 0.0


def subset_runs(
    fit: Fit,
    rows: int,
    test_rows: int,
    folder: Path | str,
    *,
    runs: int = 200,
    share: float = 0.7,
    seed: int = 0,
    on_progress: Progress = lambda stage, done, total: None,
) -> Memorization:
    """Train on random parts and compare; what is done is kept run by run.

    Feldman and Zhang, arXiv 2008.03703, section 2 (2,000 runs there).

    Args:
        fit: See :data:`Fit`.
        rows: n.
        test_rows: m; 0: no influence.
        folder: Where finished runs are kept; of one ``fit`` on one set of rows, which nothing but
            their numbers can tell from another.
        runs: Trainings.
        share: Of the rows in each, between 0 and 1.
        seed: Of the parts.
        on_progress: Called with ``("subset models", done, runs)``.

    Raises:
        BadInputError: An option is out of range, or the folder holds runs on so many other rows.
    """
    if not 0 < share < 1 or runs < 2:
        raise BadInputError(
            f"share {share:g}, {runs} runs", "share between 0 and 1, 2 runs or more."
        )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    masks = np.zeros((runs, rows), dtype=bool)
    right = np.zeros((runs, rows), dtype=bool)
    tested = np.zeros((runs, test_rows), dtype=bool)
    seconds, sizes = 0.0, [rows, test_rows]
    for run in range(runs):
        path = folder / f"run-{seed}-{run}.npz"
        rng = np.random.default_rng([seed, run])
        part = np.sort(rng.permutation(rows)[: round(share * rows)])
        masks[run, part] = True
        if not path.is_file():
            began = time.perf_counter()
            own, other = fit(part, int(rng.integers(2**31)))
            took = time.perf_counter() - began
            with atomic_path(path) as temporary, temporary.open("wb") as file:
                np.savez(
                    file,
                    own=np.packbits(own),
                    other=np.packbits(other),
                    seconds=took,
                    sizes=sizes,
                )
        with np.load(path, allow_pickle=False) as kept:
            if "sizes" not in kept or kept["sizes"].tolist() != sizes:
                raise BadInputError(
                    f"{folder} holds trainings on other rows, or of an earlier version",
                    "Name a folder of its own.",
                )
            right[run] = np.unpackbits(kept["own"], count=rows).astype(bool)
            seconds += float(kept["seconds"]) if "seconds" in kept else 0.0
            tested[run] = np.unpackbits(kept["other"], count=test_rows).astype(bool)
        on_progress("subset models", run + 1, runs)
    made = memorization(masks, right, tested if test_rows else None)
    return replace(made, seconds=seconds)


def memorization(
    masks: np.ndarray, right: np.ndarray, tested: np.ndarray | None = None
) -> Memorization:
    """Difference between trainings with and without each sample.

    Args:
        masks: (t, n) which samples each training saw.
        right: (t, n) which it got right.
        tested: (t, m) which test samples it got right.

    Raises:
        BadInputError: A sample was in every training, or in none.
    """
    seen = masks.sum(axis=0)
    runs = len(masks)
    lone = np.flatnonzero((seen == 0) | (seen == runs))
    if len(lone):
        raise BadInputError(
            f"sample {lone[0]} was in {seen[lone[0]]} of {runs} trainings",
            "Train more often: each must be left out sometimes, and be in sometimes.",
        )
    within = (masks & right).sum(axis=0) / seen
    without = (~masks & right).sum(axis=0) / (runs - seen)
    influence = None
    if tested is not None:
        # two matrix products: how often a test sample is right with each training sample, without
        inside, all_right = masks.astype(np.float32), tested.astype(np.float32)
        with_ = inside.T @ all_right / seen[:, None]
        without_ = (1 - inside).T @ all_right / (runs - seen)[:, None]
        influence = with_ - without_
    worst = 0.5 * np.sqrt(1 / seen + 1 / (runs - seen)).max()
    return Memorization(within - without, influence, float(worst), runs)
