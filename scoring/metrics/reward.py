"""A small judge's opinion of the response: P(yes) to one fixed question about the text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from scoring.metric import Batch, Column, MetricSpec, Models, Scores, register

QUESTION = (
    "Is the following text a helpful and well-formed caption or answer in English? "
    "Answer yes or no.\n\nText: {response}"
)


@register
class Reward:
    """The embedded stand-in for a reward model."""

    version: ClassVar[int] = 1
    spec: ClassVar[MetricSpec] = MetricSpec(
        name="reward",
        summary=(
            "A small judge's normalised probability of yes to a fixed question about the "
            "response. Weak: it notices refusals and repetition, and little else."
        ),
        formula=(
            "`judge_yes` = P(yes) / (P(yes) + P(no)) for the first token of the answer to: "
            f"“{' '.join(QUESTION.split())}” The judge sees neither image nor instruction."
        ),
        columns=(Column("judge_yes", "P(yes) of the small judge of text", (0.0, 1.0), "higher"),),
        needs=frozenset({"text", "language_model"}),
        cost="one pass of the language model over the response",
        source=(
            "ours, in place of a reward model. 17 wordings were tried, 16 on made-up pairs and 8 "
            "on half of the demo pool, where this one was best. On the other half, with "
            "SmolLM2-135M in float32, its AUROC of good responses against "
            "refusals is 0.92, repetition 0.79, truncated ones 0.39, the three together 0.70; "
            "against boilerplate 0.44, another language 0.44, wrong images 0.5. Showing the "
            "instruction as well made it worse."
        ),
    )

    def __init__(self, models: Models) -> None:
        self._model = models.language_model

    def parameters(self) -> Mapping[str, Any]:
        """The language model's key, and the question."""
        key = self._model.key if self._model is not None else None
        return {"language_model": key, "question": QUESTION}

    def score(self, batch: Batch) -> Scores:
        """Ask the judge about each row; a response too long for it is null."""
        n = len(batch)
        if self._model is None:
            return Scores({"judge_yes": [None] * n}, ["no language model"] * n)
        answers = self._model.yes_probability([ask(response) for response in batch.responses])
        notes = [
            "response longer than the judge reads" if answer is None else None for answer in answers
        ]
        return Scores({"judge_yes": answers}, notes)


def ask(response: str) -> str:
    """The fixed question about one response."""
    # Not str.format on their text: braces in a response stay what they are.
    before, after = QUESTION.split("{response}")
    return f"{before}{response.strip()}{after}"
