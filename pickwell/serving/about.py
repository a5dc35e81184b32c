"""Answers from what the scorer gives: no path of this machine is among them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pickwell.local_paths import local_paths, without_local_paths
from pickwell.serving.limits import Limits
from pickwell.serving.messages import AboutOut, AnswerOut, ColumnOut, PairOut, ReferenceOut

if TYPE_CHECKING:
    from pickwell.warm_scorer import WarmScorer

BESIDE = ("id", "status", "error", "notes", "quality", "near_duplicate_of", "out_of_range")
"""What has a place of its own in an answer."""


def reference(scorer: WarmScorer) -> ReferenceOut:
    """What the pairs are held against."""
    opened = scorer.opened
    picked = opened.picked
    return ReferenceOut(
        name=opened.reference.run.folder.resolve().name,
        run_sha256=opened.digest,
        rows=opened.reference.run.manifest["rows"],
        quality=scorer.judging.quality,
        picks=None if picked is None else len(picked.row_of),
    )


def answer(scorer: WarmScorer, rows: list[dict[str, Any]]) -> AnswerOut:
    """The answer to a request, from rows of the ScoreTable."""
    return AnswerOut(reference=reference(scorer), pairs=[_pair(row) for row in rows])


def _pair(row: dict[str, Any]) -> PairOut:
    finite = {name: _finite(value) for name, value in row.items()}
    # JSON has no infinity, and a null is never left without a reason
    lost = [f"{n}: {row[n]}" for n in row if row[n] is not None and finite[n] is None]
    return PairOut(
        id=row["id"],
        status=row["status"],
        error=row["error"],
        quality=finite["quality"],
        near_duplicate_of=row["near_duplicate_of"],
        out_of_range=finite["out_of_range"],
        scores={name: value for name, value in finite.items() if name not in BESIDE},
        notes="; ".join([*([row["notes"]] if row["notes"] else []), *lost]) or None,
    )


def about(scorer: WarmScorer, held_against: ReferenceOut, limits: Limits) -> AboutOut:
    """What the service is."""
    from pickwell import __version__

    run = scorer.opened.reference.run
    _, metrics = scorer.opened.models_and_metrics
    columns = {column.name: column for metric in metrics for column in metric.spec.columns}
    models = without_local_paths(run.manifest["models"], local_paths(run.manifest["models"]))
    return AboutOut(
        pickwell=__version__,
        reference=held_against,
        models={role: key for role, key in models.items() if role != "specs"},
        specs=models.get("specs") or {},
        metrics=run.manifest["metrics"],
        columns={
            name: ColumnOut(
                description=column.description,
                direction=column.direction,
                range=(_finite(column.range[0]), _finite(column.range[1])),
                kind=column.kind,
            )
            for name, column in columns.items()
        },
        limits={
            "pairs": limits.max_batch,
            "body_bytes": limits.max_body,
            "waiting_requests": limits.max_queue,
            "text_characters": limits.max_text,
            "image_pixels": scorer.opened.stored.max_pixels,
            "answer_seconds": limits.answer_seconds,
        },
    )


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
