"""Quality and floors of new rows as a reference judges them: its limits, its percentiles."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from data_cards.errors import BadInputError
from pickwell.config import SelectConfig
from pickwell.judging import Judged, fitted_quality, judge, judged_by

if TYPE_CHECKING:
    import numpy as np

    from scoring.reference.base import Reference
    from scoring.run import Run


def judge_against(reference: Reference, run: Run, settings: SelectConfig) -> Judged:
    """Apply the floors and the quality of a reference to the rows of another run.

    A floor on a quantile has the limit that it has in the reference; a percentile of the
    consensus is the place among the reference's values. A row that is the reference's own gets
    exactly what :func:`pickwell.judging.judge` gives it there, and no row's answer depends on
    the other rows of its run.

    Raises:
        BadInputError: If the reference cannot be judged like that, or the run lacks a column.
    """
    import numpy as np

    from scoring.quality.floors import (
        DEFAULT_FLOORS,
        applicable,
        apply_floors,
        override_floors,
        parse_floor,
    )
    from scoring.reference.consensus import ReferenceConsensus, fixed_floors

    there = judge(reference.run, settings)
    numbers = run.numeric()
    _require(run, numbers, there.columns)
    errors = np.asarray(run.scores["error"].to_pylist(), dtype=object)
    failed = np.asarray(run.scores["status"].to_pylist(), dtype=object) == "bad"
    readable = {name: np.where(failed, np.nan, values) for name, values in numbers.items()}
    usual = applicable(DEFAULT_FLOORS if settings.default_floors else (), reference.numbers)
    floors = override_floors(
        usual, [parse_floor(text, reference.numbers) for text in settings.floors]
    )
    _require(run, numbers, [name for floor in floors for name in floor.columns()])
    fixed = fixed_floors(floors, reference.numbers)
    refused = np.asarray(apply_floors(readable, fixed), dtype=object)
    refused[failed] = errors[failed]
    fitted = fitted_quality(reference.run, settings)
    if fitted is not None:
        judged = judged_by(fitted, readable)
        return replace(judged, refused=refused, failed=failed, floors=there.floors)
    if settings.by is not None:
        declared = run.columns()
        lower = settings.by in declared and declared[settings.by].direction == "lower"
        quality = -readable[settings.by] if lower else readable[settings.by]
        return replace(there, quality=quality, refused=refused, failed=failed)
    declared = reference.run.columns()
    directions = {
        name: declared[name].direction if name in declared else "higher" for name in there.columns
    }
    considered = there.refused == None  # noqa: E711  (elementwise)
    stored = {n: np.where(considered, reference.numbers[n], np.nan) for n in there.columns}
    quality = ReferenceConsensus(stored, directions).quality(
        {n: np.where(refused == None, readable[n], np.nan) for n in there.columns}  # noqa: E711
    )
    return replace(there, quality=quality, refused=refused, failed=failed)


def _require(run: Run, numbers: dict[str, np.ndarray], names: list[str]) -> None:
    lost = [name for name in names if name not in numbers]
    if lost:
        raise BadInputError(
            f"{run.folder} has no column {lost[0]!r}, which the earlier choice rests on.",
            "Score the new data with --like, and import the same columns with --import.",
        )
