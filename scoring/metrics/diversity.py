"""How alone a sample is in the pool: nearest neighbours, density, cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from scoring.metric import Column, MetricSpec, Models, Pool, Scores, register
from scoring.metrics.pool_vectors import hash_order, unit_rows, usable_rows

NEIGHBOURS = 10
_EXACT = 50_000
_CELL_ROWS = 1_000
_CELLS_SEARCHED = 12
_BLOCK = 512
_QUERIES, _AMONG = 512, 2_048
_CLUSTER_SAMPLE = 8_000
_LARGEST_K = 64


@register
class Diversity:
    """Neighbours and clusters in the joint space of image and response."""

    version: ClassVar[int] = 2
    spec: ClassVar[MetricSpec] = MetricSpec(
        name="diversity",
        summary="Distance to the nearest other sample, local density, and cluster.",
        formula=(
            "v = (image vector, response vector) / √2, a missing half left out and the rest "
            "renormalised. `nearest_distance` = 1 − max over other rows of cos; `local_density` "
            f"= mean cos of the {NEIGHBOURS} nearest; `diversity_cluster` = k-means, k = √(n/2), "
            f"at most {_LARGEST_K}, numbered from the largest. Exact up to {_EXACT:,} rows; above, "
            f"neighbours are sought in the {_CELLS_SEARCHED} nearest k-means cells of about "
            f"{_CELL_ROWS:,} rows."
        ),
        columns=(
            Column("nearest_distance", "cosine distance", (0.0, 2.0), "higher"),
            Column("local_density", "mean cosine of the nearest", (-1.0, 1.0), "lower"),
            Column("diversity_cluster", "number of the cluster", (0, _LARGEST_K - 1), kind="int"),
        ),
        needs=frozenset({"pool", "image_embedding", "text_embedding"}),
        cost="n² products up to 50,000 rows, about 12,000 a row above",
        source="ours; k-means by scikit-learn",
    )

    def __init__(self, models: Models) -> None:
        self._encoder = models.encoder

    def parameters(self) -> Mapping[str, Any]:
        """The encoder's key, and the sizes."""
        key = self._encoder.key if self._encoder is not None else None
        return {
            "encoder": key,
            "neighbours": NEIGHBOURS,
            "exact": _EXACT,
            "cell_rows": _CELL_ROWS,
            "cells_searched": _CELLS_SEARCHED,
            "cluster_sample": _CLUSTER_SAMPLE,
            "largest_k": _LARGEST_K,
        }

    def score(self, pool: Pool) -> Scores:
        """Score the pool; rows without any vector are null, as is a row that stands alone."""
        n = len(pool.ids)
        space = JointSpace.of(pool)
        nearest, density = np.full(n, np.nan), np.full(n, np.nan)
        cluster: list[int | None] = [None] * n
        order = hash_order(pool.ids, np.flatnonzero(space.usable), pool.seed)
        if len(order) > 1:
            if len(order) <= _EXACT:
                best = exact_neighbours(_Ordered(space, order))
            else:
                best = cell_neighbours(space, order, pool.seed)
            nearest[order] = np.clip(1.0 - best[:, 0], 0.0, 2.0)
            density[order] = best.mean(axis=1)
        if len(order):
            k = int(np.clip(round(np.sqrt(len(order) / 2)), 1, _LARGEST_K))
            centroids = _centroids(space.rows(order[:_CLUSTER_SAMPLE]), k, pool.seed)
            found = _assign(space, order, centroids)
            # Largest first; of equal ones that whose first row hashes lower.
            found, centroids = _canonical(found, centroids)
            pool.artefacts["diversity_centroids"] = centroids
            for row, number in zip(order, found, strict=True):
                cluster[row] = int(number)
        why = "no other row to compare with" if len(order) == 1 else "no vector"
        notes = [why if lost else None for lost in np.isnan(nearest)]
        return Scores(
            {"nearest_distance": nearest, "local_density": density, "diversity_cluster": cluster},
            notes,
        )


@dataclass(frozen=True, slots=True)
class JointSpace:
    """Image and response vectors side by side, read by rows."""

    image: np.ndarray | None
    text: np.ndarray | None
    has_image: np.ndarray
    has_text: np.ndarray

    @classmethod
    def of(cls, pool: Pool) -> JointSpace:
        """The pool's space."""
        has_image = usable_rows(pool.image_embedding, pool.status)
        has_text = usable_rows(pool.text_embedding, pool.status)
        return cls(pool.image_embedding, pool.text_embedding, has_image, has_text)

    @property
    def usable(self) -> np.ndarray:
        """Which rows have at least one half."""
        return self.has_image | self.has_text

    def rows(self, rows: np.ndarray) -> np.ndarray:
        """Unit float32 vectors of usable rows, shape (m, dim of both)."""
        halves = [
            (matrix, has)
            for matrix, has in ((self.image, self.has_image), (self.text, self.has_text))
            if matrix is not None
        ]
        both = np.empty((len(rows), sum(matrix.shape[1] for matrix, _ in halves)), np.float32)
        for start in range(0, len(rows), _BLOCK):  # by blocks: no second copy of a large sample
            part, column = rows[start : start + _BLOCK], 0
            block = both[start : start + len(part)]
            for matrix, has in halves:
                half = block[:, column : column + matrix.shape[1]]
                half[:] = unit_rows(matrix, part)
                half[~has[part]] = 0.0
                column += matrix.shape[1]
            block /= np.linalg.norm(block, axis=1, keepdims=True)
        return both


class _Ordered:
    """Rows of the joint space in a given order, made when they are asked for."""

    def __init__(self, space: JointSpace, order: np.ndarray) -> None:
        self._space, self._order = space, order

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, rows: slice) -> np.ndarray:
        return self._space.rows(self._order[rows])


def exact_neighbours(vectors: np.ndarray | _Ordered, k: int = NEIGHBOURS) -> np.ndarray:
    """Cosines of each row's k nearest other rows, nearest first; block by block.

    Args:
        vectors: (n, dim) unit rows, n > 1; sliced only, so that they need not be in memory.
        k: Neighbours; n − 1 where there are fewer.

    Returns:
        (n, min(k, n − 1)) float32.
    """
    n = len(vectors)
    k = min(k, n - 1)
    best = np.full((n, k), -np.inf, dtype=np.float32)
    for start in range(0, n, _QUERIES):
        queries = vectors[start : start + _QUERIES]
        rows = slice(start, start + len(queries))
        for other in range(0, n, _AMONG):
            cosines = queries @ vectors[other : other + _AMONG].T
            same = np.arange(start, start + len(queries)) - other
            inside = (same >= 0) & (same < cosines.shape[1])
            cosines[np.flatnonzero(inside), same[inside]] = -np.inf
            if cosines.shape[1] > k:
                cosines = np.partition(cosines, -k, axis=1)[:, -k:]
            both = np.concatenate([best[rows], cosines], axis=1)
            best[rows] = np.partition(both, -k, axis=1)[:, -k:]
    return np.sort(best, axis=1)[:, ::-1]


def _nearest(queries: np.ndarray, among: np.ndarray, own: np.ndarray, k: int) -> np.ndarray:
    """Cosines of the k nearest of ``among`` for each query, its own place left out."""
    cosines = queries @ among.T
    cosines[np.arange(len(queries)), own] = -np.inf
    k = min(k, len(among) - 1)
    top = np.partition(cosines, len(among) - k, axis=1)[:, len(among) - k :]
    return np.sort(top, axis=1)[:, ::-1]


def cell_neighbours(space: JointSpace, order: np.ndarray, seed: int) -> np.ndarray:
    """As :func:`exact_neighbours`, but sought only in the nearest k-means cells.

    Memory is bounded by the rows of a few cells. A true neighbour in a farther cell is missed,
    so distances are at most overstated.
    """
    cells = max(2, len(order) // _CELL_ROWS)
    fitted = order[: max(_CLUSTER_SAMPLE, 8 * cells)]
    centroids = _centroids(space.rows(fitted), cells, seed, quick=True)
    member = _assign(space, order, centroids)
    places = np.argsort(member, kind="stable")
    bounds = np.searchsorted(member[places], np.arange(cells + 1))
    reach = np.argsort(-(centroids @ centroids.T), axis=1, kind="stable")[:, :_CELLS_SEARCHED]
    best = np.full((len(order), NEIGHBOURS), -1.0, dtype=np.float32)
    for cell in range(cells):
        mine = places[bounds[cell] : bounds[cell + 1]]
        if not len(mine):
            continue
        nearby = [cell, *(c for c in reach[cell] if c != cell)]
        theirs = np.concatenate([places[bounds[c] : bounds[c + 1]] for c in nearby])
        if len(theirs) <= NEIGHBOURS:
            theirs = np.concatenate([mine, np.setdiff1d(np.arange(len(order)), mine)])
        among = space.rows(order[theirs])
        for start in range(0, len(mine), _BLOCK):
            own = np.arange(start, min(start + _BLOCK, len(mine)))
            best[mine[own]] = _nearest(among[own], among, own, NEIGHBOURS)
    return best


def _centroids(vectors: np.ndarray, k: int, seed: int, quick: bool = False) -> np.ndarray:
    """Unit centroids of a k-means, shape (k, dim)."""
    import warnings

    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    k = min(k, len(vectors))
    if quick:
        model = MiniBatchKMeans(k, random_state=seed, n_init=1, batch_size=4096, max_iter=20)
    else:
        model = KMeans(k, random_state=seed, n_init=1, max_iter=50, copy_x=False)
    # One thread: its waiting threads took six times the CPU on two busy cores, and the sums
    # then have one order.
    with warnings.catch_warnings(), threadpool_limits(1):
        # Fewer distinct rows than clusters: harmless, the empty ones get no rows.
        warnings.simplefilter("ignore", ConvergenceWarning)
        centroids = model.fit(vectors).cluster_centers_.astype(np.float32)
    norm = np.linalg.norm(centroids, axis=1, keepdims=True)
    return np.divide(centroids, norm, out=np.zeros_like(centroids), where=norm > 0)


def _assign(space: JointSpace, order: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """Number of the nearest centroid for each row of ``order``; the first of equal ones."""
    member = np.empty(len(order), dtype=np.int64)
    for start in range(0, len(order), 16 * _BLOCK):
        part = space.rows(order[start : start + 16 * _BLOCK])
        member[start : start + len(part)] = (part @ centroids.T).argmax(axis=1)
    return member


def _canonical(member: np.ndarray, centroids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Clusters renumbered by size, then by their first row; empty ones dropped."""
    numbers, first, counts = np.unique(member, return_index=True, return_counts=True)
    ranked = np.lexsort((first, -counts))
    new = np.full(len(centroids), -1, dtype=np.int64)
    new[numbers[ranked]] = np.arange(len(numbers))
    return new[member], centroids[numbers[ranked]]
