"""A small judge's opinion of the response: P(yes) to one fixed question about the text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from scoring.metric import Batch, Column, MetricSpec, Models, Scores, register

QUESTION = "TBD {instruction} {response}"


@register
class Reward:
    """The embedded stand-in for a reward model."""

    version: ClassVar[int] = 1
    spec: ClassVar[MetricSpec] = MetricSpec(
        name="reward",
        summary="The small judge's normalised probability of yes to a fixed question on the text.",
        formula="`judge_yes` = P(yes) / (P(yes) + P(no)) for the first token of the answer",
        columns=(
            Column("judge_yes", "P(yes), of a judge that does not see the image", (0.0, 1.0)),
        ),
        needs=frozenset({"text", "language_model"}),
        cost="one pass of the language model over instruction and response",
        source="ours",
    )

    def __init__(self, models: Models) -> None:
        self._model = models.language_model

    def parameters(self) -> Mapping[str, Any]:
        """The language model's key, and the question."""
        key = self._model.key if self._model is not None else None
        return {"language_model": key, "question": QUESTION}

    def score(self, batch: Batch) -> Scores:
        """Ask the judge about each row; a pair that is too long for it is null."""
        n = len(batch)
        if self._model is None:
            return Scores({"judge_yes": [None] * n}, ["no language model"] * n)
        answers = self._model.yes_probability(
            [ask(q, a) for q, a in zip(batch.instructions, batch.responses, strict=True)]
        )
        notes = [
            "instruction and response are longer than the judge reads" if answer is None else None
            for answer in answers
        ]
        return Scores({"judge_yes": answers}, notes)


def ask(instruction: str, response: str) -> str:
    """The fixed question about one pair."""
    # One pass over the template, so that braces in other people's text stay what they are.
    before, between, after = _parts()
    return f"{before}{instruction.strip()}{between}{response.strip()}{after}"


def _parts() -> tuple[str, str, str]:
    before, rest = QUESTION.split("{instruction}")
    between, after = rest.split("{response}")
    return before, between, after
