"""What a reward model says of the response to its instruction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from scoring.metric import Batch, Column, MetricSpec, Models, Scores, register


@register
class RewardModelMetric:
    """The single logit of a reward model with a classification head."""

    version: ClassVar[int] = 1
    spec: ClassVar[MetricSpec] = MetricSpec(
        name="reward_model",
        summary="A reward model's value of the response to its instruction; it sees no image.",
        formula=(
            "`reward` = the single logit of a sequence classifier on (instruction, response): a "
            "chat of two turns where the model has a chat template, a text pair elsewhere. "
            "Unbounded; only the order counts, and only within one model. `reward_cut` = tokens "
            "beyond the model's length, cut off the end of the response, that it did not read. No "
            "reward where the instruction leaves no room for any of the response."
        ),
        columns=(
            Column("reward", "the reward model's logit", (-np.inf, np.inf), "higher"),
            Column("reward_cut", "tokens that were not read", (0.0, np.inf), "none", "int"),
        ),
        needs=frozenset({"text", "reward_model"}),
        cost=(
            "one pass of the reward model over instruction and response; in bfloat16 a value "
            "moves a little with the batch that it is computed in"
        ),
        source=(
            "Stiennon et al., Learning to summarize from human feedback (arXiv 2009.01325); used "
            "on image captions by Wei et al., InstructionGPT-4 (arXiv 2308.12067), with "
            "OpenAssistant's DeBERTa."
        ),
    )

    def __init__(self, models: Models) -> None:
        self._model = models.reward

    def parameters(self) -> Mapping[str, Any]:
        """The reward model's key."""
        return {"reward_model": self._model.key if self._model is not None else None}

    def score(self, batch: Batch) -> Scores:
        """Score a batch; what was cut is told in the row's note."""
        n = len(batch)
        if self._model is None:
            return Scores({"reward": [None] * n, "reward_cut": [None] * n}, ["no model"] * n)
        found = self._model.rewards(batch.instructions, batch.responses)
        notes = [
            one.reason or (f"{one.cut} tokens beyond its length were not read" if one.cut else None)
            for one in found
        ]
        values, cut = [one.value for one in found], [one.cut for one in found]
        return Scores({"reward": values, "reward_cut": cut}, notes)
