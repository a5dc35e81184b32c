"""Quality and floors of new rows as a reference judges them: its limits, its percentiles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from data_cards.errors import BadInputError
from pickwell.config import SelectConfig
from pickwell.judging import Judged, fitted_quality, judge, judged_by

if TYPE_CHECKING:
    import numpy as np

    from scoring.quality.floors import Floor
    from scoring.quality.model import QualityModel
    from scoring.reference.base import Reference
    from scoring.reference.consensus import ReferenceConsensus
    from scoring.scored_rows import Rows


@dataclass(frozen=True)
class Judge:
    """A reference's floors and quality, worked out once for any number of later rows.

    Attributes:
        settings: How the reference is judged.
        there: Its own rows as they are judged.
        floors: Its floors, quantiles replaced by the limits that they have in it.
        fitted: The quality that was fitted on it, and its folder.
        consensus: Its consensus, where neither that nor one column ranks.
    """

    settings: SelectConfig
    there: Judged
    floors: list[Floor]
    fitted: tuple[Path, QualityModel] | None
    consensus: ReferenceConsensus | None

    @classmethod
    def of(cls, reference: Reference, settings: SelectConfig) -> Judge:
        """Judge a reference.

        Raises:
            BadInputError: If it cannot be judged like that.
        """
        import numpy as np

        from scoring.quality.floors import (
            DEFAULT_FLOORS,
            applicable,
            override_floors,
            parse_floor,
        )
        from scoring.reference.consensus import ReferenceConsensus, fixed_floors

        there = judge(reference.run, settings)
        usual = applicable(DEFAULT_FLOORS if settings.default_floors else (), reference.numbers)
        floors = override_floors(
            usual, [parse_floor(text, reference.numbers) for text in settings.floors]
        )
        fixed = fixed_floors(floors, reference.numbers)
        fitted = fitted_quality(reference.run, settings)
        if fitted is not None or settings.by is not None:
            return cls(settings, there, fixed, fitted, None)
        declared = reference.run.columns()
        directions = {
            name: declared[name].direction if name in declared else "higher"
            for name in there.columns
        }
        considered = there.refused == None  # noqa: E711  (elementwise)
        stored = {n: np.where(considered, reference.numbers[n], np.nan) for n in there.columns}
        return cls(settings, there, fixed, None, ReferenceConsensus(stored, directions))

    def judge(self, rows: Rows) -> Judged:
        """Apply floors and quality to some rows; see :func:`judge_against`."""
        import numpy as np

        from scoring.quality.floors import apply_floors

        numbers = rows.numeric()
        needed = [*self.there.columns, *(n for floor in self.floors for n in floor.columns())]
        _require(rows, numbers, needed)
        errors = np.asarray(rows.scores["error"].to_pylist(), dtype=object)
        failed = np.asarray(rows.scores["status"].to_pylist(), dtype=object) == "bad"
        readable = {name: np.where(failed, np.nan, values) for name, values in numbers.items()}
        refused = np.asarray(apply_floors(readable, self.floors), dtype=object)
        refused[failed] = errors[failed]
        if self.fitted is not None:
            judged = judged_by(self.fitted, readable)
            return replace(judged, refused=refused, failed=failed, floors=self.there.floors)
        if self.consensus is None:
            by, declared = str(self.settings.by), rows.columns()
            lower = by in declared and declared[by].direction == "lower"
            quality = -readable[by] if lower else readable[by]
        else:
            above = refused == None  # noqa: E711  (elementwise)
            quality = self.consensus.quality(
                {n: np.where(above, readable[n], np.nan) for n in self.there.columns}
            )
        return replace(self.there, quality=quality, refused=refused, failed=failed)


def judge_against(reference: Reference, rows: Rows, settings: SelectConfig) -> Judged:
    """Apply the floors and the quality of a reference to the rows of another run.

    A floor on a quantile has the limit that it has in the reference; a percentile of the
    consensus is the place among the reference's values. A row that is the reference's own gets
    exactly what :func:`pickwell.judging.judge` gives it there, and no row's answer depends on
    the other rows of its run.

    Raises:
        BadInputError: If the reference cannot be judged like that, or the rows lack a column.
    """
    return Judge.of(reference, settings).judge(rows)


def _require(rows: Rows, numbers: dict[str, np.ndarray], names: list[str]) -> None:
    lost = [name for name in names if name not in numbers]
    if lost:
        raise BadInputError(
            f"{rows.folder or 'The new data'} has no column {lost[0]!r}, which the earlier choice "
            "rests on.",
            "Score the new data with --like, and import the same columns with --import.",
        )
