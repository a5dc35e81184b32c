"""Scores that are read off recorded signals; higher is harder."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, get_args

import numpy as np

from data_cards.errors import BadInputError
from scoring.dynamics.signals import Signals

Never = Literal["max", "inf", "zero"]
BLOCK = 4096


def forgetting(signals: Signals, *, never: Never = "max") -> np.ndarray:
    """Forgetting events: how often a sample was right and, presented next, wrong.

    Toneva et al., arXiv 1812.05159, definition 2, summed over the runs. A sample that was never
    right has no event and is yet the hardest of all: what it counts is stated.

    Args:
        signals: With what happened at each presentation.
        never: What a run counts for a sample that it never got right: ``"max"``: the number of
            presentations, which no other sample can reach; ``"inf"``; or ``"zero"``, which makes it
            look easy.

    Returns:
        (n,) float64 from 0 up.
    """
    if never not in get_args(Never):
        raise BadInputError(f"never is {never!r}", f"One of: {', '.join(get_args(Never))}.")
    counts = np.zeros(len(signals))
    for run in signals.correct:
        events = np.zeros(len(signals))
        learned = np.array(run[0], dtype=bool)
        for before, after in pairwise(run):
            events += before & ~after
            learned |= after
        value = {"max": float(len(run)), "inf": np.inf, "zero": 0.0}[never]
        counts += np.where(learned, events, value)
    return counts


def unforgettable(signals: Signals) -> np.ndarray:
    """(n,) true for samples that every run learned and none forgot."""
    learned = np.asarray(signals.correct).any(axis=1).all(axis=0)
    return np.asarray(learned & (forgetting(signals, never="zero") == 0))


def el2n(signals: Signals, epoch: int | None = None) -> np.ndarray:
    """Mean over the runs of ||p - onehot(y)||.

    Paul et al., arXiv 2107.07075, definition 3.1: take an early epoch, and ten runs or more.

    Args:
        signals: With logits.
        epoch: After which; by default the last kept.

    Returns:
        (n,) float64 in [0, sqrt 2].
    """
    return _mean_over_runs(signals, epoch, lambda p, own: np.linalg.norm(_error(p, own), axis=1))


def entropy(signals: Signals, epoch: int | None = None) -> np.ndarray:
    """(n,) mean over the runs of the entropy of p, in nats, in [0, log classes]."""

    def one(p: np.ndarray, own: np.ndarray) -> np.ndarray:
        return -np.sum(p * np.log(np.maximum(p, 1e-300)), axis=1)

    return _mean_over_runs(signals, epoch, one)


def margin(signals: Signals, epoch: int | None = None) -> np.ndarray:
    """(n,) mean over the runs of the largest other probability less the own one, in [-1, 1]."""

    def one(p: np.ndarray, own: np.ndarray) -> np.ndarray:
        rows = np.arange(len(p))
        mine = p[rows, own]
        others = p.copy()
        others[rows, own] = -1.0
        return np.maximum(others.max(axis=1), 0.0) - mine

    return _mean_over_runs(signals, epoch, one)


def aum(signals: Signals) -> np.ndarray:
    """Area under the margin, its sign turned: low margins over the whole training are hard.

    Pleiss et al., arXiv 2001.10528, on probabilities as in the code of CCS: the sum over the
    presentations, and the mean over the runs, of max_c p_c (c not y) - p_y.

    Returns:
        (n,) float64 in [-epochs, epochs].
    """
    return -np.asarray(signals.margins, dtype=np.float64).sum(axis=1).mean(axis=0)


def loss(signals: Signals) -> np.ndarray:
    """(n,) mean loss over presentations and runs, in nats."""
    return np.asarray(signals.losses, dtype=np.float64).mean(axis=(0, 1))


def finite(scores: np.ndarray, what: str) -> np.ndarray:
    """The scores.

    Raises:
        BadInputError: One is not a finite number; its row is named.
    """
    bad = np.flatnonzero(~np.isfinite(scores))
    if len(bad):
        raise BadInputError(
            f"the {what} of row {bad[0]} is {scores[bad[0]]} ({len(bad):,} such rows)",
            "Look at its input, and at the model.",
        )
    return scores


def _error(p: np.ndarray, own: np.ndarray) -> np.ndarray:
    """P - onehot(y)."""
    made = p.copy()
    made[np.arange(len(p)), own] -= 1.0
    return made


def _softmax(logits: np.ndarray) -> np.ndarray:
    exact = logits.astype(np.float64)
    exact -= exact.max(axis=1, keepdims=True)
    np.exp(exact, out=exact)
    return np.asarray(exact / exact.sum(axis=1, keepdims=True))


def _mean_over_runs(signals: Signals, epoch: int | None, one: object) -> np.ndarray:
    every = signals.logits(epoch)
    total = np.zeros(len(signals))
    for run in every:
        for start in range(0, len(signals), BLOCK):
            part = slice(start, start + BLOCK)
            total[part] += one(_softmax(run[part]), signals.labels[part])  # type: ignore[operator]
    return finite(total / len(every), "score")
