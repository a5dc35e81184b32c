"""Clusters of content: spherical k-means at any size, spectral clustering for small pools."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np

from data_cards.errors import BadInputError
from selector.order import canonical_order
from selector.selection import Candidates
from selector.vectors import Space, blocks, space_rows

Algorithm = Literal["kmeans", "spectral"]
FIT_ROWS = 100_000
"""Rows that k-means is fitted on; all others are only assigned."""
MINIBATCH_ROWS = 20_000
"""Above this many rows k-means is fitted on mini-batches."""
SPECTRAL_ROWS = 20_000
"""Largest pool for spectral clustering: its neighbour graph needs the whole pool at once."""
NEAR_TIE = 1e-5
"""Cosines closer than this are computed again in float64."""


@dataclass(frozen=True)
class Clustering:
    """Which row belongs where.

    Attributes:
        labels: (n,) ``int32``, -1 for rows that were not asked for. Label 0 is the largest
            cluster; equal sizes are ordered by the smallest id hash.
        sizes: Members of each label.
        algorithm: What made it.
        space: The space it was made in; ``None`` for labels that were given.
        without_vector: The label of the rows that have no vector in this space, if there are any.
    """

    labels: np.ndarray
    sizes: np.ndarray
    algorithm: str
    space: Space | None = None
    without_vector: int | None = None


def default_cluster_count(budget: int, rows: int) -> int:
    """The square root of the budget, rounded: 14 clusters for 200 picks, of 14 places on average.

    As many clusters as places per cluster: coverage of content and choice by quality inside a
    cluster weigh the same. The published rule has 10 for 200.
    """
    return max(1, min(rows, round(budget**0.5)))


def cluster(
    candidates: Candidates,
    rows: np.ndarray,
    count: int,
    *,
    space: Space,
    algorithm: Algorithm = "kmeans",
    image_weight: float = 0.5,
    seed: int = 0,
    order: np.ndarray | None = None,
) -> Clustering:
    """Cluster some rows of a pool by content.

    k-means is fitted by scikit-learn on unit vectors, on at most :data:`FIT_ROWS` rows (the first
    in id-hash order, a random sample that the order of the rows does not touch); its centres are
    set to length 1 and every row goes to the centre with the largest cosine, read from the memory
    map a block at a time. Rows without a vector in this space (text-only samples in the space of
    images) form one cluster of their own, beyond ``count``. In the space ``"both"`` a row with
    one of its two vectors is clustered by that one.

    Args:
        candidates: The pool.
        rows: (m,) distinct positions to cluster, in any order.
        count: Clusters wanted, at least 1; fewer come out where there are fewer distinct rows.
        space: ``"image"``, ``"text"`` or ``"both"``.
        algorithm: ``"kmeans"``, or ``"spectral"`` (nearest-neighbour affinity, 10 neighbours).
        image_weight: Share of the image in ``"both"``, in [0, 1].
        seed: Of the starting centres and the sample.
        order: ``rows`` in canonical order, where that is known already.

    Returns:
        The clustering; permuting the pool permutes the labels and changes nothing else.

    Raises:
        BadInputError: If ``count`` is below 1, or the pool is too large for spectral clustering.
    """
    if count < 1:
        raise BadInputError(f"{count} clusters", "Ask for at least one cluster.")
    if not 0 <= image_weight <= 1:
        raise BadInputError(f"image_weight is {image_weight}", "Give a share from 0 to 1.")
    if algorithm not in ("kmeans", "spectral"):
        raise BadInputError(f"unknown clustering {algorithm!r}", "Use kmeans or spectral.")
    rows = np.sort(rows)
    if order is None:
        order = rows[canonical_order(candidates.ids[rows], seed)]
    labels = np.full(len(candidates), -1, dtype=np.int64)
    if algorithm == "spectral":
        if len(order) > SPECTRAL_ROWS:
            raise BadInputError(
                f"spectral clustering of {len(order):,} rows: the limit is {SPECTRAL_ROWS:,}",
                "Use k-means, or refuse more rows by floors first.",
            )
        x, present = space_rows(candidates, order, space, image_weight)
        labels[order] = _spectral(x, present, count, seed)
    else:
        sample = order[:FIT_ROWS]
        centres = _centres(*space_rows(candidates, sample, space, image_weight), count, seed)
        for block in blocks(rows):
            x, present = space_rows(candidates, rows[block], space, image_weight)
            labels[rows[block]] = np.where(present, _nearest(x, centres), -1)
    without = bool((labels[order] == -1).any())
    renumbered, sizes, lookup = renumber(labels[order])
    result = np.full(len(candidates), -1, dtype=np.int32)
    result[order] = renumbered
    return Clustering(result, sizes, algorithm, space, lookup[-1] if without else None)


def given_clusters(labels: np.ndarray, rows: np.ndarray, rows_in_pool: int) -> Clustering:
    """Take clusters that somebody else made, keeping their numbers.

    Args:
        labels: (n,) whole numbers from 0 up, one per candidate.
        rows: Positions that may be chosen from; only they are counted, the others get -1.
        rows_in_pool: n.

    Raises:
        BadInputError: If a row to choose from has no cluster, or the shape is wrong.
    """
    array = np.asarray(labels)
    if array.ndim != 1 or len(array) != rows_in_pool:
        raise BadInputError(
            f"clusters have the shape {array.shape}", "Give one label per candidate, in order."
        )
    if len(rows) and not (np.issubdtype(array.dtype, np.integer) and int(array[rows].min()) >= 0):
        raise BadInputError(
            "a given cluster label is missing, negative or no whole number",
            "Number the clusters from 0 up.",
        )
    result = np.full(len(array), -1, dtype=np.int32)
    result[rows] = array[rows]
    sizes = np.bincount(result[rows]) if len(rows) else np.zeros(0, dtype=np.int64)
    return Clustering(result, sizes, "given")


def renumber(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[int, int]]:
    """Number clusters by size, largest first; equal sizes by their first row.

    Args:
        labels: (m,) any whole numbers, rows in canonical order (so that the first row is the one
            with the smallest id hash).

    Returns:
        (m,) new labels from 0 up without gaps; the sizes; old label to new.
    """
    if not len(labels):
        return np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int64), {}
    old, first, inverse, count = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    rank = np.lexsort((first, -count))
    new = np.empty(len(old), dtype=np.int32)
    new[rank] = np.arange(len(old), dtype=np.int32)
    return new[inverse], count[rank], {int(o): int(n) for o, n in zip(old, new, strict=True)}


def _centres(x: np.ndarray, present: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Fit k-means on the rows that have a vector; unit centres, (k, D) float32."""
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from threadpoolctl import threadpool_limits

    x = x[present]
    if not len(x):
        return np.zeros((1, x.shape[1]), dtype=np.float32)
    count = min(count, len(x))
    model: KMeans | MiniBatchKMeans
    if len(x) <= MINIBATCH_ROWS:
        model = KMeans(count, n_init=4, random_state=seed)
    else:
        model = MiniBatchKMeans(count, n_init=4, batch_size=4096, random_state=seed)
    # With several threads the sums of k-means depend on their number: one gives the same answer
    # on every machine with the same library.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fewer distinct points than clusters: empty ones vanish
        model.fit(x)
    centres = np.asarray(model.cluster_centers_, dtype=np.float64)
    length = np.linalg.norm(centres, axis=1, keepdims=True)
    return (centres / np.maximum(length, 1e-12)).astype(np.float32)


def _nearest(x: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The centre with the largest cosine for each row; a tie goes to the earlier centre.

    A matrix product rounds a row differently from one block to the next, so that a tie would
    depend on the order of the rows: near ties are decided in float64, to nine decimals.
    """
    cosine = x @ centres.T
    best = cosine.argmax(axis=1)
    if centres.shape[0] > 1:
        top = np.take_along_axis(cosine, best[:, None], axis=1)
        close = np.flatnonzero((cosine >= top - NEAR_TIE).sum(axis=1) > 1)
        exact = x[close].astype(np.float64) @ centres.astype(np.float64).T
        best[close] = np.round(exact, 9).argmax(axis=1)
    return best


def _spectral(x: np.ndarray, present: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Spectral clustering as published (nearest-neighbour affinity, 10 neighbours, k-means)."""
    from sklearn.cluster import SpectralClustering
    from threadpoolctl import threadpool_limits

    labels = np.full(len(x), -1, dtype=np.int64)
    rows = np.flatnonzero(present)
    if not len(rows):
        return labels
    # The eigensolver needs more rows than eigenvectors; a smaller pool is its own clustering.
    if count == 1 or len(rows) <= count + 1:
        labels[rows] = 0 if count == 1 else np.minimum(np.arange(len(rows)), count - 1)
        return labels
    model = SpectralClustering(
        count,
        affinity="nearest_neighbors",
        n_neighbors=min(10, len(rows)),
        random_state=seed,
    )
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an unconnected graph is an honest outcome here
        labels[rows] = model.fit_predict(x[rows])
    return labels
