"""Places for new picks: what a cluster is due by its size, less what it holds already."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from data_cards.errors import BadInputError


def extension_quotas(
    sizes: np.ndarray, held: np.ndarray, room: np.ndarray, budget: int, *, tempering: float = 1.0
) -> np.ndarray:
    """Share new places out so that earlier picks and new ones together follow the sizes.

    Cluster c ideally gets clip(t |c|^s − held_c, 0, room_c) places, with the one level t at which
    these add up to the budget (water-filling: clusters that hold more than their share already
    get nothing, and nobody else pays for them twice). Whole parts first, then the largest
    fractional parts; ties go to the earlier cluster. The arithmetic is exact. With nothing held
    this is :func:`selector.quotas.quotas`.

    Args:
        sizes: (c,) members of each cluster, all rows counted.
        held: (c,) earlier picks in it.
        room: (c,) new rows that can be chosen from it.
        budget: Places to give.
        tempering: s; 1 proportional to size, 0 equal.

    Returns:
        (c,) ``int64`` places, from 0 to ``room``, with the sum ``min(budget, room.sum())``.

    Raises:
        BadInputError: If a count is negative, or there is room in a cluster without members.
    """
    size, has, free = (np.asarray(x, dtype=np.int64).tolist() for x in (sizes, held, room))
    if budget < 0 or any(min(x, default=0) < 0 for x in (size, has, free)):
        raise BadInputError("a budget or a count is negative", "Give counts from 0 up.")
    if any(f and not s for s, f in zip(size, free, strict=True)):
        raise BadInputError("there is room in an empty cluster", "Count new rows in the sizes.")
    if not (np.isfinite(tempering) and tempering >= 0):
        raise BadInputError(
            f"tempering is {tempering}", "Give 1 (proportional), 0 (equal), or between."
        )
    target = min(int(budget), sum(free))
    weight = [
        Fraction(s) if tempering == 1.0 else Fraction(float(s) ** tempering if s else 0.0)
        for s in size
    ]
    open_ = [c for c in range(len(size)) if free[c]]
    level = _level(weight, has, free, open_, target)
    share = {c: min(max(level * weight[c] - has[c], Fraction(0)), Fraction(free[c])) for c in open_}
    granted = np.zeros(len(size), dtype=np.int64)
    for c in open_:
        granted[c] = int(share[c])
    by_remainder = sorted(open_, key=lambda c: (int(share[c]) - share[c], c))
    for c in by_remainder[: target - int(granted.sum())]:
        granted[c] += 1
    return granted


def _level(
    weight: list[Fraction], has: list[int], free: list[int], open_: list[int], target: int
) -> Fraction:
    """The level at which the clipped shares add up to ``target``: they grow piece by piece."""
    turns = [(has[c] / weight[c], weight[c]) for c in open_]
    turns += [((has[c] + free[c]) / weight[c], -weight[c]) for c in open_]
    given, slope, at = Fraction(0), Fraction(0), Fraction(0)
    for turn, change in sorted(turns):
        if slope and given + slope * (turn - at) >= target:
            return at + (target - given) / slope
        given += slope * (turn - at)
        at, slope = turn, slope + change
    return at
