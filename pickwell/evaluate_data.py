"""The data of an evaluation: samples, the wrong responses that they bring, and their hash."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError

if TYPE_CHECKING:
    from data_cards.sample import Sample
    from data_cards.source import Source
    from pickwell.config import EvaluateConfig

WRONG = ("wrong", "wrong_response", "rejected", "rejected_response", "distractor")
"""Columns that are taken for the wrong response of the two-choice question."""


def read_data(
    data: str | Path | Sequence[Sample],
    settings: EvaluateConfig,
    on_source: Callable[[Source], None],
) -> tuple[list[Sample], dict[str, str], dict[str, Any]]:
    """Read what is to be evaluated.

    Args:
        data: A file, a folder, ``hf://owner/name``, or samples.
        settings: Format, columns, limit and seed.
        on_source: Called when the format is recognised.

    Returns:
        The samples (at most ``limit``, drawn), the wrong responses that the data bring by id, and
        what the data are.

    Raises:
        BadInputError: There is no sample, or no such column.
    """
    from data_cards.source import open_source
    from pickwell.selection_files import sha256

    if not isinstance(data, str | Path):
        samples = list(data)
        if not samples:
            raise BadInputError("There is no sample to evaluate.", "Give at least one.")
        return _drawn(samples, settings), {}, {"path": None, "content": _content(samples)}

    def opened(instruction: str | None, **columns: str | None) -> Source:
        return open_source(
            data,
            format=settings.format,
            images=settings.images,
            card=settings.card,
            columns={**settings.columns, **columns} or None,
            split=settings.split,
            default_instruction=instruction,
        )

    source = opened(settings.instruction)
    on_source(source)
    samples = list(source.samples())
    if not samples:
        raise BadInputError(f"{data} holds no sample.", "Check the file, or state --format.")
    column = _wrong_column(source, settings.wrong)
    given = {}
    if column is not None:
        # The same records, read as if the wrong response were theirs; the question is not used.
        answers = opened("?", response=column, conversations=None).samples()
        by_row = {sample.row: sample.response for sample in answers if sample.error is None}
        given = {s.id: by_row[s.row] for s in samples if s.row in by_row}
    described = {
        "path": str(source.path),
        "format": source.format,
        "how": source.how,
        "wrong_column": column,
        "files": [{"path": str(path), "sha256": sha256(path)} for path in source.files()],
        "content": _content(samples),
    }
    return _drawn(samples, settings), given, described


def _wrong_column(source: Source, asked: str | None) -> str | None:
    """The column with wrong responses: the one asked for, or one of a telling name."""
    from data_cards.readers.base import format_named

    if asked == "none":
        return None
    fields = format_named(source.format).fields(source)
    if asked is not None:
        if asked not in fields:
            raise BadInputError(
                f"{source.path} has no column {asked!r}.", f"Fields there: {', '.join(fields)}."
            )
        return asked
    return next((name for name in WRONG if name in fields), None)


def _drawn(samples: list[Sample], settings: EvaluateConfig) -> list[Sample]:
    """At most ``limit`` samples, drawn by the hash of their ids, in input order."""
    if settings.limit is None or settings.limit >= len(samples):
        return samples
    from selector.order import canonical_order

    order = canonical_order([s.id for s in samples], settings.seed, purpose="evaluate")
    return [samples[row] for row in sorted(order[: settings.limit].tolist())]


def _content(samples: Sequence[Sample]) -> str:
    """SHA-256 of ids and texts; the order of the samples does not matter."""
    lines = sorted(repr((s.id, [(t.role, t.text) for t in s.turns])) for s in samples)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()
