"""What a reader must know to read the figures of an evaluation right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


def remarks(
    rows: pa.Table,
    baseline: pa.Table | None,
    model: Mapping[str, Any],
    other: Mapping[str, Any] | None,
    data: Mapping[str, Any],
) -> list[str]:
    """One sentence for each thing that is not as a reader would expect it.

    Args:
        rows: Of the model.
        baseline: Rows of the other model, if one was compared.
        model: What the model is: ``spec``, ``dtype``.
        other: What the baseline is.
        data: What the data are: ``wrong_column``.
    """
    found = []
    if data.get("wrong_column"):
        found.append(
            f"The wrong responses are those of the column {data['wrong_column']!r} of the data; "
            "where it is empty they were drawn."
        )
    notes = Counter(note for note in rows["note"].to_pylist() if note)
    for note, count in sorted(notes.items(), key=lambda item: (-item[1], item[0]))[:5]:
        found.append(f"{_samples(count)} measured in part only: {note}.")
    if baseline is not None and other is not None:
        found += _compared(rows, baseline, model, other)
    return found


def _compared(
    rows: pa.Table, baseline: pa.Table, model: Mapping[str, Any], other: Mapping[str, Any]
) -> list[str]:
    from finetune.evaluate.figures import same_tokens

    found = []
    if not same_tokens(rows, baseline):
        found.append(
            "The two models cut responses into different tokens, so their likelihoods per token "
            "are not in the same unit; compare the two-choice figures instead."
        )
    if model["dtype"] != other["dtype"]:
        found.append(
            f"The models ran in different precisions ({model['dtype']} and {other['dtype']}), "
            "which moves figures a little by itself; --dtype sets one for both."
        )
    lines = zip(rows.to_pylist(), baseline.to_pylist(), strict=True)
    lost = [two for one, two in lines if one["status"] == "ok" and two["status"] == "bad"]
    if lost:
        first = "; ".join(f"{row['id']}: {row['error']}" for row in lost[:3])
        found.append(
            f"The baseline {other['spec']} could not be measured on {_samples(len(lost))} "
            f"({first}); differences are without these."
        )
    return found


def _samples(count: int) -> str:
    return "1 sample" if count == 1 else f"{count:,} samples"
