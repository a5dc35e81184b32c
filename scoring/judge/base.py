"""What a judge is: pairs in, one judgement each out, in order, with what it cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Protocol

from scoring.pictures import Picture

Rubric = Literal["aspects", "paper"]
Method = Literal["expected", "parsed"]


@dataclass(frozen=True, slots=True)
class JudgeItem:
    """One pair to judge."""

    instruction: str
    response: str
    pictures: Sequence[Picture] = ()


@dataclass(frozen=True, slots=True)
class JudgeOptions:
    """How to ask.

    Attributes:
        rubric: ``"aspects"`` (four ratings from 1 to 5) or ``"paper"`` (one from 0 to 100).
        images: Whether pictures are sent; the paper's rubric never sends them.
        in_flight: Requests under way at a time.
        timeout: Seconds after which a request counts as failed.
        attempts: Tries of one row before it counts as failed for now.
        backoff: Seconds before the second try, at most; doubled from try to try.
        image_side: Longest side, in pixels, of the JPEG that is sent.
        max_tokens: Longest answer. The ratings take about 40; a model that thinks aloud needs more.
        price_in: Price of a million prompt tokens, in any currency.
        price_out: Price of a million completion tokens.
        engine: Further arguments of ``vllm.LLM``, for a judge in this process.
    """

    rubric: Rubric = "aspects"
    images: bool = True
    in_flight: int = 32
    timeout: float = 120.0
    attempts: int = 6
    backoff: float = 0.5
    image_side: int = 768
    max_tokens: int = 128
    price_in: float | None = None
    price_out: float | None = None
    engine: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sends_images(self) -> bool:
        """Whether pictures really go to the judge."""
        return self.images and self.rubric != "paper"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the judge said of one pair.

    Attributes:
        ratings: By aspect (``"rating"`` with the paper's rubric); ``None`` where it is missing.
            Empty if there is no answer at all.
        method: ``"expected"``: mean over the probabilities of the rating tokens; ``"parsed"``: the
            number that was written.
        reason: Why a rating is missing, if one is.
        retryable: Whether asking again later may help: the judge was not reached.
        prompt_tokens: Tokens that were read for it, by the server's count.
        completion_tokens: Tokens that were written.
        cached: Whether it was not asked anew.
    """

    ratings: Mapping[str, float | None] = field(default_factory=dict)
    method: Method | None = None
    reason: str | None = None
    retryable: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached: bool = False

    @property
    def rating(self) -> float | None:
        """Mean over the aspects; ``None`` unless all are there, for means of others differ."""
        values = [value for value in self.ratings.values() if value is not None]
        if not values or len(values) < len(self.ratings):
            return None
        return sum(values) / len(values)


OnResult = Callable[[int, Judgement], None]


def ignore(index: int, judgement: Judgement) -> None:
    """Do nothing with a result."""


@dataclass(slots=True)
class Usage:
    """What judging took.

    Attributes:
        requests: Sent to the model, retries among them.
        answered: Rows that the model answered.
        from_cache: Rows answered before.
        unrated: Rows that will stay without a rating (too long, an answer without ratings).
        failed: Rows that failed for now; the next run asks again.
        retries: Requests that repeated a failed one.
        prompt_tokens: As the server counts them, repeated requests included.
        completion_tokens: Likewise.
        seconds: Spent judging.
        reasons: Why rows failed for now, and how many.
    """

    requests: int = 0
    answered: int = 0
    from_cache: int = 0
    unrated: int = 0
    failed: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)

    def copy(self) -> Usage:
        """As it stands now."""
        return replace(self, reasons=Counter(self.reasons))

    def since(self, before: Usage) -> Usage:
        """What came on top of an earlier state: a judge outlives the run of one file."""
        return Usage(
            **{
                entry.name: getattr(self, entry.name) - getattr(before, entry.name)
                for entry in fields(self)
            }
        )

    def count(self, judgement: Judgement) -> None:
        """Note the outcome of one row."""
        if judgement.retryable:
            self.failed += 1
            self.reasons[judgement.reason or ""] += 1
        elif judgement.cached:
            self.from_cache += 1
        elif judgement.rating is None:
            self.unrated += 1
        else:
            self.answered += 1

    def summary(self, options: JudgeOptions) -> dict[str, Any]:
        """For ``run.json``; ``cost`` only where a price is known."""
        told: dict[str, Any] = {
            name: getattr(self, name)
            for name in (
                "requests",
                "answered",
                "from_cache",
                "unrated",
                "failed",
                "retries",
                "prompt_tokens",
                "completion_tokens",
            )
        }
        if options.price_in is not None or options.price_out is not None:
            millions = self.prompt_tokens * (options.price_in or 0.0)
            millions += self.completion_tokens * (options.price_out or 0.0)
            told["cost"] = round(millions / 1e6, 6)
        if self.reasons:
            told["failed_because"] = dict(self.reasons.most_common(3))
        return told | {"seconds": round(self.seconds, 2)}


class Judge(Protocol):
    """A model that rates pairs. Constructing one is cheap; nothing is asked before ``judge``."""

    @property
    def options(self) -> JudgeOptions:
        """How it asks."""

    @property
    def usage(self) -> Usage:
        """What it took so far."""

    @property
    def name(self) -> str:
        """The spec that it was made from."""

    @property
    def key(self) -> str:
        """Identity of model, rubric and whatever else changes a rating; known without loading."""

    def judge(self, items: Sequence[JudgeItem], on_result: OnResult = ignore) -> list[Judgement]:
        """Judge every item; ``on_result`` hears of each as it is done, in whatever order.

        Raises:
            BadInputError: If the judge is not there at all, and nothing was judged yet.
        """

    def check(self) -> tuple[bool, str]:
        """Whether it could judge now, and one line that says so, or what to do."""

    def missing(self) -> str | None:
        """Why it cannot judge anything now, in one line; ``None`` where it may be able to."""
