"""How long the response is: raw, without a direction, and relative as published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from scoring.metric import Batch, Column, MetricSpec, Models, Pool, Scores, register
from scoring.metrics.pool_vectors import why_no_text


@register
class Length:
    """Characters, words and tokens of the response."""

    version: ClassVar[int] = 1
    spec: ClassVar[MetricSpec] = MetricSpec(
        name="length",
        summary="How long the response is, in three units.",
        formula=(
            "`characters` = Unicode code points; `words` = runs between white space; `tokens` = "
            "tokens of the language model, without special ones"
        ),
        columns=(
            Column("characters", "Unicode code points", (1, np.inf), "none", "int"),
            Column("words", "runs between white space", (0, np.inf), "none", "int"),
            Column("tokens", "tokens of the language model", (0, np.inf), "none", "int"),
        ),
        needs=frozenset({"text"}),
        cost="tokenising; the model itself is not run",
        source="ours; longer is not better by itself (spec of the published form: length_release)",
    )

    def __init__(self, models: Models) -> None:
        self._model = models.language_model

    def parameters(self) -> Mapping[str, Any]:
        """The key of the model whose tokenizer counts."""
        return {"language_model": self._model.key if self._model is not None else None}

    def score(self, batch: Batch) -> Scores:
        """Count; without a language model ``tokens`` is null."""
        n = len(batch)
        tokens: list[int] | list[None] = [None] * n
        if self._model is not None:
            tokens = self._model.count_tokens(batch.responses)
        note = None if self._model is not None else "no language model"
        return Scores(
            {
                "characters": [len(text) for text in batch.responses],
                "words": [len(text.split()) for text in batch.responses],
                "tokens": tokens,
            },
            [note] * n,
        )


@register
class LengthRelease:
    """The published length score: relative to the longest response of the pool."""

    version: ClassVar[int] = 1
    spec: ClassVar[MetricSpec] = MetricSpec(
        name="length_release",
        summary="The published length score, relative to the longest response of the pool.",
        formula="`length_release` = 10 · characters / max over the pool of characters",
        columns=(Column("length_release", "10 for the longest response", (0.0, 10.0), "none"),),
        needs=frozenset({"text", "pool"}),
        cost="one pass over the texts",
        source=(
            "Wei et al., InstructionGPT-4 (arXiv 2308.12067), from the released data: exact on "
            "all of its 3,439 rows. One outlier rescales all, hence `length`."
        ),
    )

    def __init__(self, models: Models) -> None:
        del models

    def parameters(self) -> Mapping[str, Any]:
        """Nothing to set."""
        return {}

    def score(self, pool: Pool) -> Scores:
        """Score the pool; bad rows are null and do not count for the longest."""
        n = len(pool.ids)
        lengths = np.zeros(n)
        for row, (_, response) in enumerate(pool.texts()):
            if pool.status[row] == "ok":
                lengths[row] = len(response)
        known = lengths > 0
        longest = lengths.max(initial=0.0)
        values = np.full(n, np.nan)
        values[known] = 10.0 * lengths[known] / longest
        return Scores({"length_release": values}, why_no_text(pool.status, known))
