"""D2: difficulty that is spread over a graph of neighbours, and passed on as picks are made."""

from __future__ import annotations

import heapq
from typing import Annotated, Literal

import numpy as np
from pydantic import Field
from scipy.sparse import csr_array

from selector.coreset.base import Picks, Pool, Told, method
from selector.coreset.ccs import Cut
from selector.coreset.similarity import nearest_neighbours, symmetric_graph

Start = Literal["sum", "product"]


@method(
    "d2",
    needs=("features", "scores"),
    keeps="difficulty and diversity: what is hard, in a hard neighbourhood, not yet covered",
    cost="nearest neighbours once, O(n^2 d); then O(n + k log n); memory O(n neighbours)",
    good_when="the data are clean and about a tenth of all together is kept; with few of each "
    "class or noisy labels level with random or below it; gamma and neighbours want tuning",
    gain="difficulty of the row and its neighbourhood, less what earlier picks took",
    source="Maharana, Yadav and Bansal, arXiv 2310.07931, section 3",
    unless="but where a cut would leave too few",
    kept=(
        "gain {gain}, the highest that was left: from its score and its neighbours', less what "
        "earlier picks took; {score}",
    ),
    left=("{score}, its gain {value} when all picks had taken theirs", "{score}, {kind}"),
)
def d2(
    pool: Pool,
    count: int,
    rng: np.random.Generator,
    *,
    neighbours: Annotated[
        int,
        Field(ge=0, description="nearest rows of each; as many as there are rows is all of them"),
    ] = 5,
    gamma: Annotated[
        float, Field(gt=0, description="how little a pick takes from far neighbours")
    ] = 0.1,
    start: Annotated[
        Start,
        Field(
            description="whether a gain begins as the row's score and the sum over its neighbours "
            "added, or multiplied"
        ),
    ] = "sum",
    cut: Cut = 0.0,
) -> Picks:
    """Take the row of the largest gain, and take from its neighbours what it has covered.

    g_i = s_i + sum over neighbours j of exp(-d_ij) s_j; when i is picked, each neighbour j loses
    exp(-gamma d_ij) g_i. The graph of nearest neighbours is symmetric: either end makes an edge.
    Where some scores are below 0, all are shifted to begin there.
    """
    assert pool.scores is not None
    left = max(count, len(pool) - int(cut * len(pool)))
    kept = np.sort(np.argsort(pool.scores, kind="stable")[:left])
    scores = pool.scores[kept] - min(0.0, float(pool.scores[kept].min()))
    places, distance = nearest_neighbours(pool.rows(kept), neighbours)
    graph = symmetric_graph(places, 1.0 + distance)  # an edge of length 0 is an edge, too
    near_by = csr_array((np.exp(1.0 - graph.data), graph.indices, graph.indptr), graph.shape)
    around = near_by @ scores
    gain = scores * around if start == "product" else scores + around
    heap = [(-value, row) for row, value in enumerate(gain.tolist())]
    heapq.heapify(heap)
    taken: list[int] = []
    gains: list[float] = []
    done = np.zeros(len(kept), dtype=bool)
    while len(taken) < count:
        value, row = heapq.heappop(heap)
        if done[row] or -value != gain[row]:
            continue  # it has changed since
        done[row] = True
        taken.append(row)
        gains.append(-value)
        edge = slice(graph.indptr[row], graph.indptr[row + 1])
        for near, apart in zip(graph.indices[edge], graph.data[edge] - 1.0, strict=True):
            if not done[near]:
                gain[near] -= np.exp(-gamma * apart) * gain[row]
                heapq.heappush(heap, (-float(gain[near]), int(near)))
    values = np.full(len(pool), np.nan)
    values[kept] = gain
    kinds = (f"cut off: one of the {len(pool) - left:,} highest",)
    told = Told(values=values, kind=np.where(np.isnan(values), 0, -1), kinds=kinds)
    return Picks(kept[np.array(taken)], np.array(gains), told=told)
