"""Graph cut: picks that are like many rows and unlike each other."""

from __future__ import annotations

import numpy as np

from data_cards.errors import BadInputError
from selector.coreset.base import Picks, Pool, method
from selector.coreset.similarity import Cosine


@method(
    "graph-cut",
    needs=("features",),
    keeps="likeness to all, less likeness among the picks",
    cost="O(nkd) time, O(n) memory: sums of similarities need no matrix",
    good_when="as facility location, far cheaper; repeats itself more",
    gain="weight times similarity to all rows, less similarity to the picks, counted twice",
    source=(
        "graph cut, as in Iyer et al., Submodular Combinatorial Information Measures with "
        "Applications in Machine Learning, ALT 2021, section 2"
    ),
)
def graph_cut(pool: Pool, count: int, rng: np.random.Generator, *, weight: float = 2.0) -> Picks:
    """Take the row that adds most to weight sum_i,j s_ij - sum_j,l s_jl over picks j, l.

    Args:
        pool: With features.
        count: Picks.
        rng: Not used.
        weight: Of the likeness to all; from 2 up no pick can make the sum smaller.

    Raises:
        BadInputError: The weight is not above 0.
    """
    if not weight > 0:
        raise BadInputError(f"weight is {weight:g}", "Give a number above 0.")
    similar = Cosine(pool.rows(np.arange(len(pool))))
    own = (1.0 + np.einsum("ij,ij->i", similar.units, similar.units, dtype=np.float64)) / 2.0
    merit = weight * similar.sums() - own
    taken = np.empty(count, dtype=np.int64)
    gains = np.empty(count)
    for place in range(count):
        row = int(merit.argmax())
        taken[place], gains[place] = row, merit[row]
        merit -= 2.0 * similar.columns(np.array([row]))[:, 0].astype(np.float64)
        merit[row] = -np.inf
    return Picks(taken, gains)
