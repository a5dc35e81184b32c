"""The drift of a run that was scored like another: measured, written, read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scoring.drift import Drift
    from scoring.reference import Reference
    from scoring.run import Run

DRIFT = "drift.json"
COORDINATES = ("map_x", "map_y", "diversity_cluster")
"""Columns whose values are places or numbers of clusters: the embedding space speaks for them."""


def drift_of(run: Run, reference: Reference) -> Drift:
    """How far the readable rows of a run have drifted from a reference."""
    import numpy as np

    from scoring.drift import SAMPLE, measure_drift
    from scoring.metrics.diversity import JointSpace
    from scoring.metrics.pool_vectors import hash_order
    from scoring.pool import open_pool

    numbers = run.numeric()
    names = [
        name
        for name in run.columns()
        if name not in COORDINATES and name in reference.numbers and name in numbers
    ]
    good = np.asarray(run.scores["status"].to_pylist(), dtype=object) == "ok"
    there = np.asarray(reference.pool.status, dtype=object) == "ok"
    sides = {n: reference.numbers[n][there] for n in names}, {n: numbers[n][good] for n in names}
    pool = open_pool(run.folder, reference.seed)
    spaces = (reference.space, reference.pool.ids), (JointSpace.of(pool), pool.ids)
    vectors = None
    if all(space.usable.any() for space, _ in spaces):
        first, second = (
            space.rows(hash_order(ids, np.flatnonzero(space.usable), reference.seed)[:SAMPLE])
            for space, ids in spaces
        )
        vectors = (first, second)
    return measure_drift(*sides, vectors=vectors, seed=reference.seed)


def write_drift(folder: Path, manifest: dict[str, Any], reference: Reference) -> dict[str, Any]:
    """Write ``drift.json`` beside the scores; what ``run.json`` says of it.

    Returns:
        ``drifted``, the names of what has, and ``drift_tested``: ``False`` where the rows are too
        few to tell.
    """
    from scoring.run import Run
    from scoring.store import atomic_path

    drift = drift_of(Run(folder, manifest), reference)
    with atomic_path(folder / DRIFT) as temporary:
        text = json.dumps(drift.as_dict() | {"reference": str(reference.run.folder)}, indent=2)
        temporary.write_text(text + "\n", "utf-8")
    names = [measure.name for measure in drift.drifted]
    return {"drifted": names, "drift_tested": bool(drift.measures)}


def read_drift(folder: Path) -> Drift:
    """The drift that ``score --like`` wrote into a run folder.

    Raises:
        BadInputError: If the run was not scored like another.
    """
    from scoring.drift import Drift, Measure
    from scoring.reference.base import manifest_of

    content = manifest_of(folder, DRIFT)
    measures = [{k: v for k, v in m.items() if k != "drifted"} for m in content["measures"]]
    return Drift(content["rows"], content["reference_rows"], tuple(Measure(**m) for m in measures))
