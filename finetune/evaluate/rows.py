"""What one model said, one row per sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from finetune.evaluate.plan import Case, Options
from finetune.evaluate.short_answers import match, normalise
from finetune.evaluate.stores import Stores

ROWS = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("image", pa.string()),
        ("status", pa.string()),
        ("error", pa.string()),
        ("note", pa.string()),
        ("nll", pa.float64()),
        ("tokens", pa.int32()),
        ("text_nll", pa.float64()),
        ("text_tokens", pa.int32()),
        ("blind_nll", pa.float64()),
        ("wrong", pa.string()),
        *[
            (f"{blind}{side}_{kind}", pa.float64())
            for blind in ("", "blind_")
            for side in ("right", "wrong")
            for kind in ("mean", "total")
        ],
        ("wrong_tokens", pa.int32()),
        ("short", pa.bool_()),
        ("reference", pa.string()),
        ("generated", pa.string()),
        ("generated_tokens", pa.int32()),
        ("finished", pa.bool_()),
        ("exact", pa.bool_()),
        ("contained", pa.bool_()),
        ("contained_cut", pa.bool_()),
        ("output_words", pa.int32()),
        ("reference_words", pa.int32()),
    ]
)
"""``nll`` is in nats per token, over the response and the token that ends it; ``text_nll`` leaves
that token out. ``*_total`` are log-probabilities, ``*_mean`` the same per token. ``generated`` is
null where no answer was asked for."""


def make_rows(cases: Sequence[Case], stores: Stores, options: Options) -> pa.Table:
    """Collect a model's numbers from its stores; columns are those of :data:`ROWS`."""
    return pa.Table.from_pylist([_row(case, stores, options) for case in cases], schema=ROWS)


def _row(case: Case, stores: Stores, options: Options) -> dict[str, Any]:
    sample = case.sample
    row: dict[str, Any] = {
        "id": sample.id,
        "source": sample.source,
        "image": case.image_keys[0].hex() if case.image_keys else None,
        "status": "bad",
        "error": case.error,
        "note": case.note,
        "short": case.short,
    }
    if case.error is not None:
        return row
    keys = case.reply_keys
    lines = stores.likelihoods.take(list(keys.values())).to_pylist()
    found = dict(zip(keys, lines, strict=True))
    if found["right"]["error"] is not None:
        return row | {"error": found["right"]["error"]}
    row["status"] = "ok"
    right = found["right"]
    row |= {"nll": -right["total"] / right["tokens"], "tokens": right["tokens"]}
    said = right["tokens"] - right["end_tokens"]
    if said:
        row |= {"text_nll": -(right["total"] - right["end_total"]) / said, "text_tokens": said}
    notes = [case.note] if case.note else []
    for name, line in found.items():
        if line["error"] is not None:
            if name != "right":
                notes.append(line["error"])
            continue
        row[f"{name}_total"] = line["total"]
        row[f"{name}_mean"] = line["total"] / line["tokens"]
    if "blind_right_mean" in row:
        row["blind_nll"] = -row["blind_right_mean"]
    if case.wrong is not None:
        row |= {"wrong": case.wrong, "wrong_tokens": found["wrong"]["tokens"]}
    row["note"] = "; ".join(dict.fromkeys(notes)) or None
    return row | _output(case, stores, options)


def _output(case: Case, stores: Stores, options: Options) -> dict[str, Any]:
    key = case.output_key
    if key is None:
        return {}
    line = stores.outputs.take([key]).to_pylist()[0]
    if line["error"] is not None:
        return {"note": line["error"]}
    answer = next(turn.text for turn in case.sample.turns if turn.role == "assistant").strip()
    row: dict[str, Any] = {
        "reference": answer,
        "generated": line["text"],
        "generated_tokens": line["tokens"],
        "finished": line["finished"],
    }
    if case.short:
        found = match(line["text"], answer, options.cut)
        row |= {
            "exact": found.exact,
            "contained": found.contained,
            "contained_cut": found.contained_cut,
            "output_words": found.words,
            "reference_words": len(normalise(answer).split()),
        }
    return row
