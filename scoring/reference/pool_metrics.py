"""Each pool metric for one new row held against a reference, whatever else is in its batch.

Every function gives, for a row x and a reference P, what its metric gives for x in the pool
P + {x}, as far as nothing has to be fitted again: fitted parts (PCA, centroids, layout) are those
that were stored with P.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scoring.metric import Pool, Scores
from scoring.metrics.boilerplate import response_hashes
from scoring.metrics.diversity import NEIGHBOURS, JointSpace
from scoring.metrics.embedding import COMPONENTS, project
from scoring.metrics.margin import margins, paired_rows
from scoring.metrics.pool_vectors import usable_rows, why_no_text
from scoring.reference.base import Reference
from scoring.reference.neighbours import nearest_in

Against = Callable[[Pool, Reference], Scores]
_BLOCK = 8_192
_REGISTRY: dict[str, Against] = {}


def against(name: str) -> Callable[[Against], Against]:
    """Decorator: make a function the form of the pool metric ``name`` for later rows."""

    def register(function: Against) -> Against:
        if name in _REGISTRY:
            raise ValueError(f"two forms of {name!r}")
        _REGISTRY[name] = function
        return function

    return register


def form_of(name: str) -> Against | None:
    """The form of a pool metric for later rows; ``None`` if it has none."""
    return _REGISTRY.get(name)


@against("embedding")
def embedding(pool: Pool, reference: Reference) -> Scores:
    """Place along the reference's stored principal axes."""
    n = len(pool.ids)
    columns: dict[str, np.ndarray] = {}
    missing: list[list[str]] = [[] for _ in range(n)]
    for side, matrix in (("image", pool.image_embedding), ("text", pool.text_embedding)):
        usable = usable_rows(matrix, pool.status)
        mean = reference.artefact(f"{side}_pca_mean")
        components = reference.artefact(f"{side}_pca_components")
        z = np.full((n, COMPONENTS), np.nan, dtype=np.float32)
        if matrix is not None and mean is not None and components is not None:
            z = project(matrix, usable, mean, components)
        columns.update({f"{side}_pca_{i + 1}": z[:, i] for i in range(COMPONENTS)})
        for row in np.flatnonzero(np.isnan(z).any(axis=1)):
            missing[row].append(
                f"the reference spans fewer than {COMPONENTS} {side} axes"
                if usable[row]
                else f"no {side} vector"
            )
    return Scores({**columns}, ["; ".join(reasons) or None for reasons in missing])


@against("diversity")
def diversity(pool: Pool, reference: Reference) -> Scores:
    """Neighbours among the reference's rows, and the nearest of its stored centroids."""
    n = len(pool.ids)
    space = JointSpace.of(pool)
    rows = np.flatnonzero(space.usable)
    among = np.flatnonzero(reference.space.usable)
    nearest, density = np.full(n, np.nan), np.full(n, np.nan)
    if len(rows) and len(among):
        best, _ = nearest_in(space, rows, reference.space, among, NEIGHBOURS)
        nearest[rows] = np.clip(1.0 - best[:, 0], 0.0, 2.0)
        density[rows] = best.mean(axis=1)
    cluster: list[int | None] = [None] * n
    centroids = reference.artefact("diversity_centroids")
    if centroids is not None:
        for start in range(0, len(rows), _BLOCK):
            part = rows[start : start + _BLOCK]
            numbers = (space.rows(part) @ centroids.T).argmax(axis=1)
            for row, number in zip(part, numbers, strict=True):
                cluster[row] = int(number)
    why = np.where(space.usable, "the reference has no row to compare with", "no vector")
    notes = [str(why[row]) if np.isnan(nearest[row]) else None for row in range(n)]
    return Scores(
        {"nearest_distance": nearest, "local_density": density, "diversity_cluster": cluster}, notes
    )


@against("margin")
def margin(pool: Pool, reference: Reference) -> Scores:
    """Margins against the rows that stand for the reference."""
    return margins(pool, paired_rows(pool), reference.landmarks, own=False)


@against("boilerplate")
def boilerplate(pool: Pool, reference: Reference) -> Scores:
    """Rows of the reference that carry the same response."""
    values, counts = reference.responses
    hashes, known = response_hashes(pool)
    found = np.zeros(len(hashes))
    if len(values):
        place = np.minimum(np.searchsorted(values, hashes), len(values) - 1)
        found = np.where(values[place] == hashes, counts[place], 0).astype(np.float64)
    return Scores(
        {
            "boilerplate": [int(v) if k else None for v, k in zip(found, known, strict=True)],
            "boilerplate_share": np.where(known, found / max(int(counts.sum()), 1), np.nan),
        },
        why_no_text(pool.status, known),
    )


@against("length_release")
def length_release(pool: Pool, reference: Reference) -> Scores:
    """Length relative to the reference's longest response: above 10 for a longer one."""
    lengths = _lengths(pool)
    known = lengths > 0
    values = np.where(known, 10.0 * lengths / max(reference.longest, 1.0), np.nan)
    return Scores({"length_release": values}, why_no_text(pool.status, known))


@against("map")
def place_on_map(pool: Pool, reference: Reference) -> Scores:
    """The place of the nearest row that the reference laid out."""
    n = len(pool.ids)
    places = np.full((n, 2), np.nan)
    space = JointSpace.of(pool)
    rows = np.flatnonzero(space.usable)
    laid = reference.laid
    flat = np.stack([reference.numbers[name] for name in ("map_x", "map_y")], axis=1)
    if len(rows) and len(laid):
        _, nearest = nearest_in(space, rows, reference.space, laid, 1)
        places[rows] = flat[laid[nearest]]
    lost = np.isnan(places[:, 0])
    why = np.where(space.usable, "the reference has no map", "no vector")
    return Scores(
        {"map_x": places[:, 0], "map_y": places[:, 1]},
        [str(why[row]) if lost[row] else None for row in range(n)],
    )


def _lengths(pool: Pool) -> np.ndarray:
    """Characters of each good response, 0 in bad rows."""
    lengths = np.zeros(len(pool.ids))
    for row, (_, response) in enumerate(pool.texts()):
        if pool.status[row] == "ok":
            lengths[row] = len(response)
    return lengths
