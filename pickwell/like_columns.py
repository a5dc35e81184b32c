"""The columns that a run scored like another has beside its metrics."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickwell.batch_drift import COORDINATES
from pickwell.config import SelectConfig

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from pickwell.chosen import Chosen
    from scoring.reference import Reference
    from scoring.run import Run


def add_judged_columns(
    folder: Path, manifest: dict[str, Any], reference: Reference, picked: Chosen | None
) -> dict[str, Any]:
    """Add quality, nearest chosen sample and share of values out of range; say how."""
    import numpy as np
    import pyarrow as pa

    from pickwell.judging import fitted_quality
    from pickwell.judging_like import judge_against
    from scoring.pool import add_columns
    from scoring.reference.consensus import out_of_range
    from scoring.run import Run

    run = Run(folder, manifest)
    n = len(run.scores)
    if not n:
        return {}
    # a selection says what its quality was; a run is judged by what was fitted on it, if anything
    settings = picked.settings if picked is not None else SelectConfig()
    bad = np.asarray(run.scores["status"].to_pylist(), dtype=object) == "bad"
    numbers = {name: np.where(bad, np.nan, values) for name, values in run.numeric().items()}
    judged = judge_against(reference, run, settings)
    quality = np.where(judged.refused == None, judged.quality, np.nan)  # noqa: E711  (elementwise)
    fitted = fitted_quality(reference.run, settings)
    if fitted is not None:
        _, model = fitted
        outside = np.where(bad, np.nan, np.asarray(model.outside(numbers), np.float64))
        how = f"fitted: {model.kind}"
    else:
        measures = {name: numbers[name] for name in run.columns() if name in numbers}
        measures = {n: v for n, v in measures.items() if n not in COORDINATES}
        outside = out_of_range(measures, reference.numbers)
        how = settings.by or "consensus"
    near = _near_chosen(run, judged, picked, bad)
    columns: dict[str, pa.Array] = {
        "quality": pa.array(quality, pa.float64(), from_pandas=True),
        "near_duplicate_of": pa.array(near, pa.string()),
        "out_of_range": pa.array(outside, pa.float64(), from_pandas=True),
    }
    why = [
        f"not judged: {reason}" if reason is not None and not lost else None
        for reason, lost in zip(judged.refused, bad, strict=True)
    ]
    add_columns(folder, columns, [("quality", why)])
    repeats = sum(name is not None for name in near)
    return {
        "quality": how,
        "message": " ".join(judged.notes) or None,
        "near_duplicates": repeats if picked is not None else None,
    }


def _near_chosen(run: Run, judged: Any, picked: Chosen | None, bad: np.ndarray) -> list[str | None]:
    """For each row the chosen sample that it repeats, exactly or nearly."""
    import numpy as np

    from pickwell.judging import make_candidates
    from selector.duplicates import NearDuplicate
    from selector.repeats import repeats_of

    n = len(bad)
    if picked is None or not len(picked.row_of):
        return [None] * n
    cosine = picked.settings.near_duplicate
    rows = np.flatnonzero(~bad)
    rival, _ = repeats_of(
        picked.candidates(),
        make_candidates(run, judged),
        rows,
        NearDuplicate(cosine, cosine) if cosine <= 1 else None,
    )
    ids = picked.picks["id"].to_pylist()
    near: list[str | None] = [None] * n
    for row, number in zip(rows, rival, strict=True):
        near[row] = ids[number] if number >= 0 else None
    return near
