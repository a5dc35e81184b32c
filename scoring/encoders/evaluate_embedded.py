"""How well an encoder finds the caption of a picture it never saw.

Five figures per picture, all higher is better, in [0, 1]:

- R@k: is the true caption among the k nearest of all unique captions? (Karpathy and Fei-Fei,
  CVPR 2015, image to text.)
- AUC: the share of other captions that lie farther than the true one, ties counted half; the
  mean is the area under the ROC curve of true against random caption, picture by picture.
- same-source AUC: the same, against captions of the same source only, which cannot be told apart
  by the style of the drawing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

METRICS: Final = ("R@1", "R@5", "R@10", "AUC", "same-source AUC")
GALLERY = 1200
"""Captions to choose from in the figures that are compared across set-ups."""
RESAMPLES = 1000


def per_picture(
    images: np.ndarray, captions: np.ndarray, gold: np.ndarray, sources: Sequence[str]
) -> np.ndarray:
    """The five figures of every picture.

    Args:
        images: Unit vectors, shape (n, d).
        captions: Unit vectors of the unique captions, shape (m, d).
        gold: Index of each picture's caption, shape (n,).
        sources: Name of each picture's source, length n.

    Returns:
        Float64 of shape (n, 5) in the order of :data:`METRICS`; the last is NaN for a picture
        whose source holds no second caption.
    """
    similarity = images @ captions.T
    true = similarity[np.arange(len(images)), gold][:, None]
    # Ties count half in the AUC and against the encoder in R@k.
    not_beaten = (similarity >= true).sum(1) - 1
    figures = np.full((len(images), 5), np.nan)
    for column, k in enumerate((1, 5, 10)):
        figures[:, column] = not_beaten < k
    figures[:, 3] = _won(similarity, true) / max(len(captions) - 1, 1)
    names = np.asarray(sources)
    for name in np.unique(names):
        rows = names == name
        columns = np.unique(gold[rows])
        if len(columns) > 1:
            won = _won(similarity[np.ix_(rows, columns)], true[rows])
            figures[rows, 4] = won / (len(columns) - 1)
    return figures


def _won(similarity: np.ndarray, true: np.ndarray) -> np.ndarray:
    return (similarity < true).sum(1) + 0.5 * ((similarity == true).sum(1) - 1)


def small_gallery(
    images: np.ndarray,
    captions: np.ndarray,
    gold: np.ndarray,
    sources: Sequence[str],
    *,
    size: int = GALLERY,
    draws: int = 20,
    seed: int = 0,
) -> np.ndarray:
    """:func:`per_picture` when ``size`` captions stand to choose from, meaned over random draws.

    R@k falls with the number of captions, so that figures compare at one number only.

    Returns:
        Float64 of shape (n, 5); NaN for pictures whose caption was never drawn.
    """
    rng = np.random.default_rng(seed)
    names = np.asarray(sources)
    total, count = np.zeros((len(images), 5)), np.zeros((len(images), 5))
    for _ in range(draws):
        drawn = np.sort(rng.choice(len(captions), min(size, len(captions)), replace=False))
        place = np.full(len(captions), -1)
        place[drawn] = np.arange(len(drawn))
        rows = np.flatnonzero(place[gold] >= 0)
        figures = per_picture(images[rows], captions[drawn], place[gold[rows]], list(names[rows]))
        total[rows] += np.nan_to_num(figures)
        count[rows] += ~np.isnan(figures)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def intervals(
    figures: np.ndarray, gold: np.ndarray, *, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, dict[str, float]]:
    """Means with 95 % percentile bootstrap intervals; captions are drawn, not pictures.

    Args:
        figures: From :func:`per_picture` or :func:`small_gallery`.
        gold: Index of each picture's caption; pictures of one caption are drawn together.
        seed: Of the resampling.
        resamples: How many.

    Returns:
        For each of :data:`METRICS`: ``value``, ``low``, ``high``.
    """
    rng = np.random.default_rng(seed)
    groups, member = np.unique(gold, return_inverse=True)
    present = ~np.isnan(figures)
    sums, counts = np.zeros((len(groups), 5)), np.zeros((len(groups), 5))
    np.add.at(sums, member, np.where(present, figures, 0.0))
    np.add.at(counts, member, present)
    weights = rng.multinomial(len(groups), np.full(len(groups), 1 / len(groups)), resamples)
    samples = (weights @ sums) / (weights @ counts)
    low, high = np.quantile(samples, (0.025, 0.975), axis=0)
    mean = np.nanmean(figures, axis=0)
    return {
        name: {"value": float(m), "low": float(a), "high": float(b)}
        for name, m, a, b in zip(METRICS, mean, low, high, strict=True)
    }


def table(rows: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    """A Markdown table of several :func:`intervals`, by the name of their row."""
    lines = ["| | " + " | ".join(METRICS) + " |", "|---" * (len(METRICS) + 1) + "|"]
    for name, figures in rows.items():
        cells = []
        for metric in METRICS:
            f = figures[metric]
            cells.append(f"{f['value']:.3f} ({f['low']:.3f} to {f['high']:.3f})")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
