"""What the choice starts from: refusals, qualities and vectors of every row of a run."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from pickwell.config import SelectConfig

if TYPE_CHECKING:
    import numpy as np

    from scoring.quality.model import QualityModel
    from scoring.run import Run
    from scoring.scored_rows import Rows
    from selector.selection import Candidates, Selection


@dataclass(frozen=True)
class Judged:
    """The pool as the choice sees it.

    Attributes:
        quality: (N,) in [0, 1] for the consensus, else the column's own values; NaN: none.
        refused: N reasons or ``None``.
        failed: (N,) bool.
        floors: The floors that were applied, in words.
        columns: The columns that the quality is made of.
        source: What the quality is, in words: a column, the consensus, or a fitted model.
        setting: What ``--quality`` must say to get this quality again.
        notes: What must be said about it.
    """

    quality: np.ndarray
    refused: np.ndarray
    failed: np.ndarray
    floors: list[str]
    columns: list[str]
    source: str = "consensus"
    setting: str = "consensus"
    notes: list[str] = field(default_factory=list)


def judge(run: Run, settings: SelectConfig) -> Judged:
    """Apply floors and compute the quality of every row of a run."""
    import numpy as np

    from scoring.quality.consensus import consensus, consensus_columns
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
            f"All {len(failed):,} rows of {run.folder} are bad; the first: {errors[0]}."
            if len(failed) > 1
            else f"The only row of {run.folder} is bad: {errors[0]}.",
            "Look at the reasons in scores.parquet; images elsewhere are found with --images.",
        )
    usual = applicable(DEFAULT_FLOORS if settings.default_floors else (), numbers)
    floors = override_floors(usual, [parse_floor(text, numbers) for text in settings.floors])
    readable = {name: np.where(failed, np.nan, values) for name, values in numbers.items()}
    refused = np.asarray(apply_floors(readable, floors), dtype=object)
    refused[failed] = errors[failed]
    floors_told = [str(floor) for floor in floors]
    fitted = fitted_quality(run, settings)
    if fitted is not None:
        judged = judged_by(fitted, readable)
        if np.isnan(judged.quality).all():
            raise BadInputError(
                f"{fitted[0]} gives no row a quality: all lack most of "
                f"{', '.join(judged.columns)}.",
                "Score with the metrics that it was fitted on, or use --quality consensus.",
            )
        return replace(judged, refused=refused, failed=failed, floors=floors_told)
    if settings.by is not None:
        _known_column(settings.by, numbers)
        sign = -1.0 if settings.by in declared and declared[settings.by].direction == "lower" else 1
        quality = sign * readable[settings.by]
        columns = [settings.by]
    else:
        wanted = settings.consensus or consensus_columns(numbers)
        for name in wanted:
            _known_column(name, numbers)
        directions = {
            name: declared[name].direction if name in declared else "higher" for name in wanted
        }
        aimless = [name for name in wanted if directions[name] == "none"]
        if aimless and settings.consensus:
            raise BadInputError(
                f"{aimless[0]!r} has no direction: neither more nor less of it is better.",
                "Leave it out of the consensus, or rank by it alone, more counting as better: "
                f"--by {aimless[0]}.",
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
    source = settings.by or "consensus"
    return Judged(quality, refused, failed, floors_told, columns, source)


def notes_of(judged: Judged, selection: Selection) -> list[str]:
    """What must be said about a choice: its quality, and what could not be looked for."""
    tied = nothing_told_apart(judged)
    notes = [*judged.notes, *([tied] if tied is not None else [])]
    if selection.parameters.get("near_duplicate") == {}:
        notes.append(
            "Near-duplicates were not looked for: the run has no vectors. Score with an encoder."
        )
    return notes


def nothing_told_apart(judged: Judged) -> str | None:
    """That the quality ranks nothing, in words; ``None`` where it does."""
    import numpy as np

    considered = np.array([reason is None for reason in judged.refused], bool)
    values = judged.quality[considered & np.isfinite(judged.quality)]
    if len(values) < 2 or values.min() < values.max():
        return None
    made_of = f" ({', '.join(judged.columns)})" if judged.columns else ""
    return (
        f"The quality{made_of} is the same for all {len(values):,} rows that could be chosen: "
        "which of them are better it does not say. Score with models, fit labels, or name a column "
        "with --by."
    )


def fitted_quality(run: Run, settings: SelectConfig) -> tuple[Path, QualityModel] | None:
    """The fitted quality that the settings ask for, and its folder; ``None``: another rule ranks.

    ``auto`` takes RUN/quality if ``pickwell fit`` has put a learned one there; a fall-back, a
    column named by ``--by`` and a consensus of named columns leave it aside.

    Raises:
        BadInputError: If there is no model in the folder named, it ranks nothing, or it was fitted
            on numbers that mean something else than those of this run.
    """
    from scoring.quality.model import QualityModel

    if settings.by is not None or settings.quality == "consensus":
        return None
    if settings.quality == "auto":
        folder = run.folder / "quality"
        if settings.consensus or not (folder / "quality.json").is_file():
            return None
    else:
        folder = Path(settings.quality)
    model = QualityModel.load(folder)
    if settings.quality == "auto" and model.is_fallback:
        return None
    if model.kind == "mean":
        raise BadInputError(
            f"{folder} predicts the same for every row: it ranks nothing.",
            "Use --quality consensus.",
        )
    _same_numbers(run, model, folder)
    return folder, model


def judged_by(fitted: tuple[Path, QualityModel], readable: dict[str, np.ndarray]) -> Judged:
    """Quality of all readable rows by a fitted model; nothing is refused yet."""
    import numpy as np

    folder, model = fitted
    quality = model.predict(readable)
    said = model.outside_message(readable)
    return Judged(
        quality,
        np.full(len(quality), None, dtype=object),
        np.zeros(len(quality), dtype=bool),
        [],
        list(model.columns),
        source=f"{model.kind} ({folder})",
        setting=str(folder),
        notes=[said] if said is not None else [],
    )


def _same_numbers(run: Run, model: QualityModel, folder: Path) -> None:
    """A metric whose models or options changed writes other numbers under the same name."""
    here = column_keys(run, list(model.columns))
    for column, key in dict(model.fitted_on.get("metrics", {})).items():
        if column in here and here[column] != key:
            raise BadInputError(
                f"{folder} was fitted on another {column!r} than that of {run.folder} (other "
                "models, options, version or axes of the metric).",
                "Fit again with `pickwell fit`, score new data with --like, or use "
                "--quality consensus.",
            )


def column_keys(run: Run, columns: list[str]) -> dict[str, str]:
    """What the numbers of each column depend on: the key of its metric, and fitted axes.

    Imported columns have no key.
    """
    import hashlib

    from scoring.metric import registry

    keys: dict[str, str] = {}
    known = registry()
    for name, key in run.manifest["metrics"].items():
        for column in known[name].spec.columns if name in known else ():  # type: ignore[attr-defined]
            if column.name in columns:
                keys[column.name] = key
    for column in keys:
        kind, _, axis = column.partition("_pca_")
        axes = run.artefact(f"{kind}_pca_components") if axis else None
        if axes is not None:
            keys[column] += "-" + hashlib.sha256(axes.tobytes()).hexdigest()[:16]
    return keys


def make_candidates(run: Rows, judged: Judged) -> Candidates:
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
