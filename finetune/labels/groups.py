"""Which samples are trained on together: the designs of ``pickwell label``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data_cards.errors import BadInputError
from selector.order import canonical_order, id_digests

TRANSPORT_CELLS = 3_000_000
"""Largest pool times groups for which the balanced assignment is solved exactly."""
_CANDIDATES = 12
"""Groups drawn for each group that a designed draw keeps."""
_BINS = 3


@dataclass(frozen=True, slots=True)
class Group:
    """Samples that are trained on together.

    Attributes:
        name: Unique within a design, e.g. ``"cluster-07"``.
        rows: Distinct positions in the pool, ascending.
        about: What sets it apart, in words; may be empty.
    """

    name: str
    rows: np.ndarray
    about: str = ""


def clusters(ids: Sequence[str], vectors: np.ndarray, count: int, *, seed: int = 0) -> list[Group]:
    """The published design: k-means groups of equal size (InstructionGPT-4, arXiv 2308.12067).

    The released code makes sizes equal by moving the first members of large clusters to any small
    one; here the assignment is the one of equal sizes with the smallest sum of squared distances
    to the centres (a transport problem). The ``n mod count`` samples that equal sizes leave over
    are those farthest from every centre.

    Args:
        ids: n ids.
        vectors: (n, d), no NaN: what k-means sees.
        count: Groups.
        seed: Of the starting centres.

    Raises:
        BadInputError: More groups than half the samples, or a pool too large to be divided exactly.
    """
    from sklearn.cluster import KMeans

    size = _checked(len(ids), count, None)
    if len(ids) * count > TRANSPORT_CELLS:
        raise BadInputError(
            f"{len(ids):,} samples cannot be divided into {count:,} groups of equal size at once.",
            f"Choose from at most {TRANSPORT_CELLS // count:,} with --limit, or use subsets.",
        )
    order = canonical_order(ids, seed, purpose="cluster")
    points = np.asarray(vectors, np.float64)[order]
    centres = KMeans(count, n_init=10, random_state=seed).fit(points).cluster_centers_
    labels = _balanced(points, centres, size)
    return [
        Group(f"cluster-{label:02d}", np.sort(order[labels == label]), "k-means, equal sizes")
        for label in range(count)
    ]


def random_subsets(
    ids: Sequence[str], count: int, size: int, *, seed: int = 0, name: str = "random"
) -> list[Group]:
    """Random subsets in which every sample occurs equally often, or one time more or less.

    The pool is put into a random order and cut into subsets; when it is used up, another order
    begins (a subset that spans both takes no sample twice).

    Args:
        ids: n ids; the subsets depend on them and not on their order.
        count: Subsets.
        size: Samples in each.
        seed: Another seed, other subsets.
        name: Beginning of their names; another name, other subsets.

    Raises:
        BadInputError: A size that the pool does not have.
    """
    _checked(len(ids), count, size)
    salt = int.from_bytes(id_digests([name], seed, purpose="subset").tobytes()[:6], "little")
    waiting: list[int] = []
    found = []
    rounds = 0
    for number in range(count):
        taken: list[int] = []
        while len(taken) < size:
            if not waiting:
                waiting = canonical_order(ids, salt + rounds, purpose="subset").tolist()
                rounds += 1
            held = set(taken)
            fresh = [row for row in waiting if row not in held][: size - len(taken)]
            gone = set(fresh)
            waiting = [row for row in waiting if row not in gone]
            taken += fresh
        found.append(Group(f"{name}-{number:03d}", np.sort(np.array(taken)), "drawn at random"))
    return found


def designed_subsets(
    ids: Sequence[str],
    features: np.ndarray,
    names: Sequence[str],
    content: np.ndarray,
    count: int,
    size: int,
    *,
    seed: int = 0,
) -> list[Group]:
    """Subsets that differ in their metrics and not in their content.

    Groups of similar content hardly differ in what quality is made of (specs: the spread of their
    means is a small part of the spread between samples), so groups are made by quantiles: each
    candidate takes the samples of one third of one metric that also lie in one third of another,
    spread over clusters of content as the pool is. Of many candidates those are kept, one after
    the other, that add most to the determinant of the group means' covariance (D-optimal design,
    greedily; Fedorov 1972).

    Args:
        ids: n ids.
        features: (n, k) metrics, standardised, no NaN; at least one.
        names: k names.
        content: (n,) label of each sample's cluster of content.
        count: Subsets.
        size: Samples in each.
        seed: Of the candidates.

    Raises:
        BadInputError: No metric, or a size that the pool does not have.
    """
    _checked(len(ids), count, size)
    if features.shape[1] == 0:
        raise BadInputError(
            "There is no metric to design groups by.", "Use --draw random, or score more metrics."
        )
    order = canonical_order(ids, seed, purpose="design")
    generator = np.random.default_rng(seed)
    bins = _quantile_bins(features[order], _BINS)
    candidates = [
        _crossed(bins, names, content[order], size, generator) for _ in range(count * _CANDIDATES)
    ]
    means = np.stack([features[order][rows].mean(0) for rows, _ in candidates])
    kept = _d_optimal(means, count)
    return [
        Group(f"designed-{place:03d}", np.sort(order[candidates[row][0]]), candidates[row][1])
        for place, row in enumerate(kept)
    ]


def _checked(samples: int, count: int, size: int | None) -> int:
    """The size of a group."""
    if count < 1:
        raise BadInputError(f"{count} groups are no design.", "Ask for at least one.")
    if size is None:
        size = samples // count
    if size < 2 or size > samples:
        raise BadInputError(
            f"{samples:,} samples do not give {count:,} groups of {size:,}.",
            "Ask for fewer groups, or others in size.",
        )
    return size


def _balanced(points: np.ndarray, centres: np.ndarray, size: int) -> np.ndarray:
    """(n,) group of each point, ``size`` to each; -1 for those that are left over."""
    from scipy.optimize import linprog
    from scipy.sparse import coo_array, vstack

    n, k = len(points), len(centres)
    cost = (points**2).sum(1)[:, None] - 2 * points @ centres.T + (centres**2).sum(1)[None]
    cells = np.arange(n * k)
    ones = np.ones(n * k)
    by_point = coo_array((ones, (cells // k, cells)), shape=(n, n * k))
    by_group = coo_array((ones, (cells % k, cells)), shape=(k, n * k))
    solved = linprog(
        cost.ravel(),
        A_ub=by_point.tocsr(),
        b_ub=np.ones(n),
        A_eq=vstack([by_group]).tocsr(),
        b_eq=np.full(k, size),
        bounds=(0, 1),
        method="highs",
    )
    share = solved.x.reshape(n, k)
    return np.where(share.max(1) > 0.5, share.argmax(1), -1)


def _quantile_bins(features: np.ndarray, bins: int) -> np.ndarray:
    """(n, k) number of the quantile of each value; ties share the lowest of theirs."""
    from scipy.stats import rankdata

    ranks = np.stack([rankdata(column, method="min") - 1 for column in features.T], axis=1)
    return np.minimum((ranks * bins / len(features)).astype(np.int64), bins - 1)


def _crossed(
    bins: np.ndarray,
    names: Sequence[str],
    content: np.ndarray,
    size: int,
    generator: np.random.Generator,
) -> tuple[np.ndarray, str]:
    """One candidate: a cell of two metrics' quantiles, balanced in content."""
    metrics = generator.permutation(bins.shape[1])[:2]
    wanted = [int(generator.choice(np.unique(bins[:, metric]))) for metric in metrics]
    distance = np.zeros(len(bins))
    for metric, level in zip(metrics, wanted, strict=True):
        distance += np.abs(bins[:, metric] - level)
    # Places by content as in the pool; inside a cluster the nearest to the cell, at random.
    luck = generator.random(len(bins))
    ranked = np.lexsort((luck, distance))
    places = _places(content, size)
    taken = np.zeros(len(bins), dtype=bool)
    for label, count in places.items():
        taken[ranked[content[ranked] == label][:count]] = True
    words = " and ".join(
        f"{names[metric]} in part {level + 1} of {_BINS}"
        for metric, level in zip(metrics, wanted, strict=True)
    )
    return np.flatnonzero(taken), words


def _places(content: np.ndarray, size: int) -> dict[int, int]:
    """How many of each cluster, by largest remainder."""
    from selector.quotas import quotas

    labels, sizes = np.unique(content, return_counts=True)
    return {
        int(label): int(count) for label, count in zip(labels, quotas(sizes, size), strict=True)
    }


def _d_optimal(means: np.ndarray, count: int) -> list[int]:
    """Rows that keep the determinant of the information matrix large, one after the other."""
    points = np.column_stack([np.ones(len(means)), means - means.mean(0)])
    inverse = np.eye(points.shape[1]) / 1e-3
    open_ = np.ones(len(points), dtype=bool)
    found = []
    for _ in range(count):
        gains = np.where(open_, ((points @ inverse) * points).sum(1), -np.inf)
        row = int(np.argmax(gains))
        found.append(row)
        open_[row] = False
        along = inverse @ points[row]
        inverse -= np.outer(along, along) / (1 + points[row] @ along)
    return found
