"""How many places each cluster gets: the largest remainder, exactly to the budget."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from data_cards.errors import BadInputError


def quotas(
    sizes: Sequence[int] | np.ndarray,
    budget: int,
    *,
    tempering: float = 1.0,
    max_share: float = 1.0,
) -> np.ndarray:
    """Share a budget out over clusters (Hamilton's method, with sizes as caps).

    Cluster c ideally gets budget * |c|^t / sum |c|^t places. A cluster that cannot use its share
    (it is smaller, or above ``max_share``) gets what it can use, and the rest is shared out among
    the others by the same rule. Then everyone gets the whole part of the ideal share, and the
    places left go to the largest fractional parts; ties go to the earlier cluster. The arithmetic
    is exact.

    Args:
        sizes: Members of each cluster, in canonical order; zeros are allowed.
        budget: Places to give.
        tempering: t in [0, 1] or above: 1 is proportional to size, 0 gives every cluster the
            same, between them small clusters gain.
        max_share: Largest part of the budget for one cluster, in (0, 1], at least one place.
            Where this leaves places over, they are shared out among the members that are left,
            without this cap: the sum comes first.

    Returns:
        Places per cluster, ``int64``; they sum to ``min(budget, sum(sizes))``, none above its
        size.

    Raises:
        BadInputError: If an argument is outside its range.
    """
    size = np.asarray(sizes, dtype=np.int64)
    if budget < 0 or (size < 0).any():
        raise BadInputError("a budget or a cluster size is negative", "Give counts from 0 up.")
    if not (np.isfinite(tempering) and tempering >= 0):
        raise BadInputError(
            f"tempering is {tempering}", "Give 1 (proportional), 0 (equal), or between."
        )
    if not 0 < max_share <= 1:
        raise BadInputError(f"max_share is {max_share}", "Give a share above 0 and up to 1.")
    target = min(int(budget), int(size.sum()))
    cap = np.minimum(size, max(1, int(max_share * budget + 1e-9)))
    granted = _apportion(size, cap, min(target, int(cap.sum())), tempering)
    rest = target - int(granted.sum())
    if rest:
        granted += _apportion(size - granted, size - granted, rest, tempering)
    return granted


def _apportion(size: np.ndarray, cap: np.ndarray, places: int, tempering: float) -> np.ndarray:
    """Give exactly ``places`` (at most ``cap.sum()``), weights ``size ** tempering``."""
    granted = np.zeros(len(size), dtype=np.int64)
    weight = [_weight(int(members), tempering) for members in size]
    free = [c for c in range(len(size)) if cap[c] > 0]
    while free and places:
        total = sum(weight[c] for c in free)
        full = [c for c in free if weight[c] * places >= int(cap[c]) * total]
        if not full:
            break
        # All of them are over their cap now and stay so: what they pass on only raises shares.
        for c in full:
            granted[c] = cap[c]
        places -= sum(int(cap[c]) for c in full)
        free = [c for c in free if c not in set(full)]
    if not free or not places:
        return granted
    total = sum(weight[c] for c in free)
    share = {c: weight[c] * places / total for c in free}
    for c in free:
        granted[c] = int(share[c])
    left = places - sum(int(share[c]) for c in free)
    by_remainder = sorted(free, key=lambda c: (int(share[c]) - share[c], c))
    for c in by_remainder[:left]:
        granted[c] += 1
    return granted


def _weight(members: int, tempering: float) -> Fraction:
    if not members:
        return Fraction(0)
    return Fraction(members) if tempering == 1.0 else Fraction(float(members) ** tempering)
