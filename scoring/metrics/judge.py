"""What a large language model says of a pair: four aspects, or the published 0 to 100."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from scoring.judge.base import JudgeItem
from scoring.judge.rubrics import ASPECTS
from scoring.metric import Batch, Column, MetricSpec, Models, Scores, register


@register
class JudgeRatings:
    """The judge that was named, asked about each pair."""

    version: ClassVar[int] = 2
    spec: ClassVar[MetricSpec] = MetricSpec(
        name="judge",
        summary=(
            "A large language model's ratings of the pair, the picture seen: relevance, "
            "correctness, completeness, helpfulness. Only where a judge is named."
        ),
        formula=(
            "each aspect = Σ_r r P(r) / Σ_r P(r) over the ratings r = 1…5, P the probabilities of "
            "the tokens at the rating's place (null where Σ_r P(r) < 0.5); the number that was "
            "written, where the server tells no probabilities; `judge_method` says which. "
            "`judge_rating` = mean of the four aspects, null unless all are there; with `--rubric "
            "paper` the one rating 0…100 for quality and variety, the picture not shown, and no "
            "aspects. Prompts and failures: [judge.md](judge.md)."
        ),
        columns=(
            Column(
                "judge_rating",
                "mean of the aspects, 1 to 5; 0 to 100 with the paper's rubric",
                (0.0, 100.0),
                "higher",
            ),
            Column("judge_relevance", "does it answer what is asked", (1.0, 5.0), "higher"),
            Column("judge_correctness", "is it true of the picture", (1.0, 5.0), "higher"),
            Column("judge_completeness", "is everything there", (1.0, 5.0), "higher"),
            Column("judge_helpfulness", "is it clear and well put", (1.0, 5.0), "higher"),
            Column("judge_method", "`expected` or `parsed`", kind="string"),
        ),
        needs=frozenset({"text", "image", "judge"}),
        cost="one question to the judge per distinct pair; some 500 tokens and its pictures",
        source=(
            "expected ratings: Liu et al., G-Eval (arXiv 2303.16634). `paper`: in the spirit of "
            "InstructionGPT-4 (arXiv 2308.12067), in words of our own."
        ),
    )

    def __init__(self, models: Models) -> None:
        self._judge = models.judge

    def parameters(self) -> Mapping[str, Any]:
        """The judge's key, in which model, rubric and pictures stand."""
        return {"judge": self._judge.key if self._judge is not None else None}

    def score(self, batch: Batch) -> Scores:
        """Ask the judge; a row that it could not be asked about is to be asked again."""
        n = len(batch)
        columns: dict[str, list[Any]] = {column.name: [None] * n for column in self.spec.columns}
        if self._judge is None:
            return Scores({**columns}, ["no judge"] * n)
        pictures = batch.pictures or [()] * n
        items = [
            JudgeItem(*row)
            for row in zip(batch.instructions, batch.responses, pictures, strict=True)
        ]
        found = self._judge.judge(items)
        for row, judgement in enumerate(found):
            columns["judge_rating"][row] = judgement.rating
            for aspect in ASPECTS:
                columns[f"judge_{aspect}"][row] = judgement.ratings.get(aspect)
            if any(value is not None for value in judgement.ratings.values()):
                columns["judge_method"][row] = judgement.method
        return Scores(
            {**columns},
            [judgement.reason for judgement in found],
            [judgement.retryable for judgement in found],
        )
