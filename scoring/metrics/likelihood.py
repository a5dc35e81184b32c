"""How likely a language model finds the response, with and without its instruction."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from scoring.metric import Batch, Column, MetricSpec, Models, Scores, register


@register
class Likelihood:
    """Both passes of the language model, and the instruction-following difficulty from them."""

    version: ClassVar[int] = 2
    spec: ClassVar[MetricSpec] = MetricSpec(
        name="likelihood",
        summary=(
            "Response likelihood with and without the instruction, their ratio (IFD), and whether "
            "the response ends where an answer would."
        ),
        formula=(
            "`response_nll` = −(1/T) Σ_t log P(a_t | q, a_<t); `response_nll_alone` = "
            "−(1/T) Σ_t log P(a_t | a_<t); `ifd` = response_nll / response_nll_alone; "
            "`ifd_perplexity` = exp(response_nll − response_nll_alone) = PPL(A|Q) / PPL(A). Over "
            "the T tokens of the response; the model does not see the image. Published use keeps "
            "the highest values below 1: above 1 the instruction hurts, so neither end is good "
            "by itself. `response_end` = log P(end of turn | q, a): low where a response was cut "
            "off."
        ),
        columns=(
            Column("response_nll", "nats per token, after the instruction", (0.0, np.inf)),
            Column("response_nll_alone", "nats per token, without it", (0.0, np.inf)),
            Column("ifd", "instruction-following difficulty: ratio of losses", (0.0, np.inf)),
            Column("ifd_perplexity", "the same as a ratio of perplexities", (0.0, np.inf)),
            Column(
                "response_end",
                "log-probability that the answer ends here, nats",
                (-np.inf, 0.0),
                "higher",
            ),
        ),
        needs=frozenset({"text", "language_model"}),
        cost=(
            "two passes of the language model over the response. In bfloat16, the default, a "
            "value moves by up to 0.06 nats (0.009 on average, SmolLM2-135M) with the batch that "
            "it is computed in, in float32 by 1e-6"
        ),
        source=(
            "`ifd`: Li et al., From Quantity to Quality (arXiv 2308.12032), and its code: "
            "conditioned over direct answer score. `ifd_perplexity`: Li et al., Superfiltering "
            "(arXiv 2402.00530), and its code."
        ),
    )

    def __init__(self, models: Models) -> None:
        self._model = models.language_model

    def parameters(self) -> Mapping[str, Any]:
        """The language model's key."""
        return {"language_model": self._model.key if self._model is not None else None}

    def score(self, batch: Batch) -> Scores:
        """Score a batch; too long responses are null, never cut."""
        n = len(batch)
        columns: dict[str, list[float | None]] = {c.name: [None] * n for c in self.spec.columns}
        if self._model is None:
            return Scores({**columns}, ["no language model"] * n)
        asked = [text if text.strip() else None for text in batch.instructions]
        # One call for both, so that the model can sort and pack all sequences together.
        found = self._model.response_likelihood(
            [*asked, *([None] * n)], [*batch.responses, *batch.responses]
        )
        notes: list[str | None] = [None] * n
        for row, (after, alone) in enumerate(zip(found[:n], found[n:], strict=True)):
            columns["response_nll_alone"][row] = alone.nll
            notes[row] = after.reason or alone.reason
            if asked[row] is None:
                notes[row] = notes[row] or "no instruction"
                continue
            columns["response_nll"][row] = after.nll
            columns["response_end"][row] = after.end
            if after.nll is None or alone.nll is None:
                continue
            columns["ifd_perplexity"][row] = math.exp(after.nll - alone.nll)
            if alone.nll > 1e-3:
                columns["ifd"][row] = after.nll / alone.nll
            else:
                notes[row] = "the response is certain without the instruction"
        return Scores({**columns}, notes)
