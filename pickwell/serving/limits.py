"""What a request may cost, and how a request is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass

from data_cards.errors import BadInputError

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


@dataclass(frozen=True)
class Limits:
    """What is refused before it costs anything.

    Attributes:
        max_batch: Pairs in a request.
        max_body: Bytes of a request.
        max_queue: Requests that wait while one is scored.
        max_text: Characters of a pair, instruction and response together.
        read_seconds: For the body of a request to arrive.
        answer_seconds: From then to the answer.
    """

    max_batch: int = 64
    max_body: int = 32 * 2**20
    max_queue: int = 16
    max_text: int = 20_000
    read_seconds: float = 30.0
    answer_seconds: float = 120.0


class Refused(Exception):  # noqa: N818  (an answer, not a failure)
    """A request that is not answered with scores.

    Args:
        status: HTTP status.
        message: What is wrong.
        remedy: What the caller can do.
        retry_after: Seconds after which it may be tried again.
        outcome: What it counts as.
    """

    def __init__(
        self,
        status: int,
        message: str,
        remedy: str = "",
        retry_after: int | None = None,
        outcome: str = "refused",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.remedy = remedy
        self.retry_after = retry_after
        self.outcome = outcome


def parse_size(text: str) -> int:
    """``32MiB``, ``500 kB`` or ``1000`` in bytes.

    Raises:
        BadInputError: If it is no size.
    """
    found = re.fullmatch(r"\s*(\d{1,12})\s*([a-zA-Z]*)\s*", text)
    unit = _UNITS.get(found[2].upper()) if found else None
    if found is None or unit is None or not int(found[1]):
        raise BadInputError(f"{text!r} is no size.", "For example --max-body 32MiB.")
    return int(found[1]) * unit
