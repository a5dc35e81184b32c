"""What the choice starts from: refusals, qualities and vectors of every row of a run."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from pickwell.config import SelectConfig

if TYPE_CHECKING:
    import numpy as np

    from scoring.run import Run
    from selector.selection import Candidates


@dataclass(frozen=True)
class Judged:
    """The pool as the choice sees it.

    Attributes:
        quality: (N,) in [0, 1] for the consensus, else the column's own values; NaN: none.
        refused: N reasons or ``None``.
        failed: (N,) bool.
        floors: The floors that were applied, in words.
        columns: The columns that the quality is made of.
    """

    quality: np.ndarray
    refused: np.ndarray
    failed: np.ndarray
    floors: list[str]
    columns: list[str]


def judge(run: Run, settings: SelectConfig) -> Judged:
    """Apply floors and compute the quality of every row of a run."""
    import numpy as np

    from scoring.quality.consensus import CONSENSUS_COLUMNS, consensus
    from scoring.quality.floors import (
        DEFAULT_FLOORS,
        applicable,
        apply_floors,
        override_floors,
        parse_floor,
    )

    numbers = run.numeric()
    declared = run.columns()
    errors = np.asarray(run.scores["error"].to_pylist(), dtype=object)
    failed = np.asarray(run.scores["status"].to_pylist(), dtype=object) == "bad"
    if failed.all():
        raise BadInputError(
            f"All {len(failed):,} rows of {run.folder} are bad; the first: {errors[0]}.",
            "Look at the reasons in scores.parquet; images elsewhere are found with --images.",
        )
    usual = applicable(DEFAULT_FLOORS if settings.default_floors else (), numbers)
    floors = override_floors(usual, [parse_floor(text, numbers) for text in settings.floors])
    readable = {name: np.where(failed, np.nan, values) for name, values in numbers.items()}
    refused = np.asarray(apply_floors(readable, floors), dtype=object)
    refused[failed] = errors[failed]
    if settings.by is not None:
        _known_column(settings.by, numbers)
        sign = -1.0 if settings.by in declared and declared[settings.by].direction == "lower" else 1
        quality = sign * readable[settings.by]
        columns = [settings.by]
    else:
        wanted = settings.consensus or [c for c in CONSENSUS_COLUMNS if c in numbers]
        for name in wanted:
            _known_column(name, numbers)
        directions = {
            name: declared[name].direction if name in declared else "higher" for name in wanted
        }
        aimless = [name for name in wanted if directions[name] == "none"]
        if aimless and settings.consensus:
            raise BadInputError(
                f"{aimless[0]!r} has no direction: neither more nor less of it is better.",
                "Leave it out of the consensus, or import it under another name.",
            )
        if not wanted:
            raise BadInputError(
                "The run holds no column that a consensus can be made of.",
                "Score with more metrics, or name a column with --by.",
            )
        considered = refused == None  # noqa: E711  (elementwise)
        quality = consensus(
            {n: np.where(considered, readable[n], np.nan) for n in wanted}, directions
        )
        columns = wanted
    return Judged(quality, refused, failed, [str(floor) for floor in floors], columns)


def make_candidates(run: Run, judged: Judged) -> Candidates:
    """What the pickers take, from a run and its judgement."""
    import numpy as np

    from scoring.store import content_key
    from selector.selection import Candidates

    ids: list[str] = []
    content: list[bytes] = []
    for batch in run.iterate_samples(["id", "instruction", "response", "image_keys"]):
        ids += batch["id"].to_pylist()
        for instruction, response, keys in zip(
            *(batch[n].to_pylist() for n in ("instruction", "response", "image_keys")), strict=True
        ):
            content.append(content_key(_plain(instruction), _plain(response), *keys))
    return Candidates(
        ids=np.asarray(ids, dtype=object),
        quality=judged.quality,
        refused=judged.refused,
        failed=judged.failed,
        image_vectors=run.embedding("image"),
        text_vectors=run.embedding("text"),
        content=np.asarray(content, dtype=object),
    )


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _known_column(name: str, numbers: dict[str, Any]) -> None:
    if name not in numbers:
        near = difflib.get_close_matches(name, numbers, 1)
        raise BadInputError(
            f"The run has no numeric column {name!r}.",
            f"Did you mean {near[0]!r}?" if near else f"It has: {', '.join(numbers)}.",
        )
