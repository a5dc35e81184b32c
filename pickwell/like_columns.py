"""The columns that rows scored like a run have beside its metrics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pickwell.batch_drift import COORDINATES
from pickwell.config import SelectConfig

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from pickwell.chosen import Chosen
    from pickwell.judging import Judged
    from pickwell.judging_like import Judge
    from scoring.reference import Reference
    from scoring.scored_rows import Rows
    from selector.repeats import EarlierPicks


@dataclass(frozen=True)
class LikeColumns:
    """What a reference and a selection say of later rows, worked out once.

    Attributes:
        judge: Quality and floors.
        ranges: Smallest and largest value of each column of the reference.
        picks: What near-duplicates are looked for among; ``None``: nothing.
        ids: Ids of the picks.
    """

    judge: Judge
    ranges: dict[str, tuple[float, float]]
    picks: EarlierPicks | None
    ids: list[str]

    @classmethod
    def of(cls, reference: Reference, picked: Chosen | None) -> LikeColumns:
        """Judge the reference, and load the picks.

        Raises:
            BadInputError: If the reference cannot be judged as the selection says.
        """
        from pickwell.judging_like import Judge
        from scoring.reference.consensus import ranges_of
        from selector.duplicates import NearDuplicate
        from selector.repeats import EarlierPicks

        # a selection says what its quality was; a run is judged by what was fitted on it, if any
        settings = picked.settings if picked is not None else SelectConfig()
        judge, ranges = Judge.of(reference, settings), ranges_of(reference.numbers)
        if picked is None or not len(picked.row_of):
            return cls(judge, ranges, None, [])
        cosine = picked.settings.near_duplicate
        near = NearDuplicate(cosine, cosine) if cosine <= 1 else None
        picks = EarlierPicks.of(picked.candidates(), near)
        return cls(judge, ranges, picks, picked.picks["id"].to_pylist())

    @property
    def quality(self) -> str:
        """What the quality is, in words."""
        fitted, settings = self.judge.fitted, self.judge.settings
        return f"fitted: {fitted[1].kind}" if fitted is not None else settings.by or "consensus"

    def of_rows(self, rows: Rows) -> tuple[dict[str, pa.Array], list[str | None], Judged]:
        """Quality, chosen sample that is repeated, and share of values out of range.

        Returns:
            The three columns; why a good row has no quality; the judgement.
        """
        import numpy as np
        import pyarrow as pa

        from scoring.reference.consensus import beyond_ranges

        bad = np.asarray(rows.scores["status"].to_pylist(), dtype=object) == "bad"
        numbers = {name: np.where(bad, np.nan, values) for name, values in rows.numeric().items()}
        judged = self.judge.judge(rows)
        quality = np.where(judged.refused == None, judged.quality, np.nan)  # noqa: E711
        if self.judge.fitted is not None:
            model = self.judge.fitted[1]
            outside = np.where(bad, np.nan, np.asarray(model.outside(numbers), np.float64))
        else:
            measures = {name: numbers[name] for name in rows.columns() if name in numbers}
            measures = {n: v for n, v in measures.items() if n not in COORDINATES}
            outside = beyond_ranges(measures, self.ranges)
        columns: dict[str, pa.Array] = {
            "quality": pa.array(quality, pa.float64(), from_pandas=True),
            "near_duplicate_of": pa.array(self._near(rows, judged, bad), pa.string()),
            "out_of_range": pa.array(outside, pa.float64(), from_pandas=True),
        }
        why = [
            f"not judged: {reason}" if reason is not None and not lost else None
            for reason, lost in zip(judged.refused, bad, strict=True)
        ]
        return columns, why, judged

    def _near(self, rows: Rows, judged: Judged, bad: np.ndarray) -> list[str | None]:
        """For each row the chosen sample that it repeats, exactly or nearly."""
        import numpy as np

        from pickwell.judging import make_candidates

        near: list[str | None] = [None] * len(bad)
        if self.picks is None:
            return near
        good = np.flatnonzero(~bad)
        rival, _ = self.picks.repeated_by(make_candidates(rows, judged), good)
        for row, number in zip(good, rival, strict=True):
            near[row] = self.ids[number] if number >= 0 else None
        return near


def add_judged_columns(
    folder: Path, manifest: dict[str, Any], reference: Reference, picked: Chosen | None
) -> dict[str, Any]:
    """Add quality, nearest chosen sample and share of values out of range; say how."""
    from scoring.pool import add_columns
    from scoring.run import Run

    run = Run(folder, manifest)
    if not len(run.scores):
        return {}
    like = LikeColumns.of(reference, picked)
    columns, why, judged = like.of_rows(run)
    add_columns(folder, columns, [("quality", why)])
    repeats = len(run.scores) - columns["near_duplicate_of"].null_count
    return {
        "quality": like.quality,
        "message": " ".join(judged.notes) or None,
        "near_duplicates": repeats if picked is not None else None,
    }
