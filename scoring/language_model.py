"""What the likelihood metrics need of a causal language model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ResponseLikelihood:
    """Negative log-likelihood of a response.

    Attributes:
        nll: Mean over the response's tokens, in nats per token; ``None`` if not computed.
        tokens: Response length in tokens.
        reason: Why ``nll`` is missing, if it is.
        end: Log-probability, in nats, that the answer ends after its last token; ``None`` where
            there is no instruction, or ``nll`` is missing.
    """

    nll: float | None
    tokens: int
    reason: str | None = None
    end: float | None = None


class LanguageModel(Protocol):
    """A chat model that scores text. Constructing one is cheap; weights load on first use."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def key(self) -> str:
        """Identity of weights and arithmetic (hash); known without loading."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without special tokens."""

    def response_likelihood(
        self, instructions: Sequence[str | None], responses: Sequence[str]
    ) -> list[ResponseLikelihood]:
        """Likelihood of each response after its instruction (``None``: without any)."""

    def yes_probability(self, questions: Sequence[str]) -> list[float | None]:
        """P(yes) / (P(yes) + P(no)) for the first token of the answer to each question."""
