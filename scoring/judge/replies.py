"""What a server's reply means: an answer, a failure that may pass, or a refusal for good."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from scoring.judge.ratings import Token

_CONTEXT = re.compile(
    r"context[ _](length|size|window)|maximum model length|too many tokens|prompt (is )?too long"
    r"|input (is )?too long|longer than the maximum|tokens.{0,40}must be (<=|less)",
    re.IGNORECASE,
)
_BLIND = re.compile(
    r"not (a )?multi-?modal|at most 0 image|(not|n't) (support|accept|see|process)\w* "
    r"(\w+ ){0,3}(image|vision|multi-?modal)|(image|vision|multi-?modal)[\w' ]{0,30} "
    r"(is |are )?(not|n't) (supported|enabled|allowed)|content must be a string",
    re.IGNORECASE,
)


class TransientError(Exception):
    """A failure that may pass.

    Args:
        reason: In a few words, with the server's own.
        wait: Seconds that the server asks to wait, if it does.
    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait


class RowRefusedError(Exception):
    """The server does not answer this row, however often it is asked now.

    Args:
        reason: What it said.
        final: Whether the row itself is the cause, so that a later run need not ask again.
    """

    def __init__(self, reason: str, final: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.final = final


class AllRefusedError(Exception):
    """The server will answer no row (or none with pictures); text and remedy say why.

    Args:
        reason: What it said.
        remedy: What to do.
        pictures: Whether only rows with pictures are meant.
    """

    def __init__(self, reason: str, remedy: str, pictures: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy
        self.pictures = pictures


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came.

    Attributes:
        text: What the model wrote.
        tokens: Its tokens with their alternatives; ``None`` where the server tells none.
        cut: Whether it was broken off for its length.
        prompt_tokens: Tokens read, as the server counts; 0 where it does not.
        completion_tokens: Tokens written.
    """

    text: str
    tokens: Sequence[Token] | None
    cut: bool
    prompt_tokens: int
    completion_tokens: int


def reply_from(body: bytes) -> Reply:
    """Read the body of a chat completion.

    Raises:
        TransientError: If it is not one.
    """
    try:
        content = json.loads(body)
        choice = content["choices"][0]
        text = choice["message"]["content"] or choice["message"].get("refusal") or ""
        if not isinstance(text, str):
            raise TypeError("content is no text")
        told = (choice.get("logprobs") or {}).get("content")
        tokens = [_token(entry) for entry in told] if told else None
        usage = content.get("usage") or {}
        return Reply(
            text,
            tokens,
            choice.get("finish_reason") == "length",
            int(usage.get("prompt_tokens") or 0),
            int(usage.get("completion_tokens") or 0),
        )
    except (ValueError, RecursionError):
        raise TransientError("the server's reply is not JSON") from None
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        what = f"{type(error).__name__}: {error}"
        raise TransientError(f"the server's reply lacks what it must hold ({what})") from None


def refusal(status: int, body: bytes, headers: Mapping[str, str], pictures: bool) -> Exception:
    """The error that a reply without an answer stands for.

    Args:
        status: Its HTTP status, not 200.
        body: Its content.
        headers: Its headers, ``retry-after`` among them.
        pictures: Whether the question held pictures.
    """
    words = words_of(body)
    said = f"{status}: {words}" if words else str(status)
    if status == 429 or status in (408, 409, 425) or status >= 500:
        return TransientError(f"the server answered {said}", seconds_of(headers.get("retry-after")))
    if status in (401, 403):
        return AllRefusedError(
            f"the server refuses the key ({said})",
            "Put the right one into PICKWELL_JUDGE_API_KEY (or OPENAI_API_KEY).",
        )
    if pictures and blind(words):
        return AllRefusedError(
            f"the judge cannot see images ({said})",
            "Use --no-judge-images, or a vision model.",
            pictures=True,
        )
    if status == 404 or 300 <= status < 400 or status == 405:
        return AllRefusedError(
            f"the server answered {said}", "Check the model's name and the address after @."
        )
    if too_long(words):
        return RowRefusedError(f"too long for the judge ({said})", final=True)
    return RowRefusedError(f"the server refused it ({said})", final=False)


def too_long(words: str) -> bool:
    """Whether a refusal speaks of the model's context."""
    return _CONTEXT.search(words) is not None


def blind(words: str) -> bool:
    """Whether a refusal says that the model sees no images."""
    return _BLIND.search(words) is not None


def words_of(body: bytes, limit: int = 300) -> str:
    """The server's own words, on one line."""
    text = body.decode("utf-8", "replace")
    try:
        found: Any = json.loads(text)
        for name in ("error", "message", "detail"):
            while isinstance(found, dict) and name in found:
                found = found[name]
        text = found if isinstance(found, str) else json.dumps(found)
    except (ValueError, RecursionError):
        text = re.sub(r"<[^>]*>", " ", text)
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= limit else text[: limit - 3] + "..."


def seconds_of(retry_after: str | None) -> float | None:
    """``Retry-After``: seconds, or the time until a date; ``None`` where it is neither."""
    if not retry_after:
        return None
    seconds: float | None
    try:
        seconds = float(retry_after)
    except ValueError:
        seconds = None
    if seconds is not None:
        return max(seconds, 0.0) if math.isfinite(seconds) else None
    try:
        when = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max((when - datetime.now(UTC)).total_seconds(), 0.0)


def models_line(body: bytes, model: str, url: str) -> tuple[bool, str]:
    """Whether a list of models (``GET /models``) holds this one, and one line that says so."""
    try:
        names = [str(entry["id"]) for entry in json.loads(body)["data"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return True, f"{url} is there, but does not say which models it serves."
    if model in names:
        return True, f"{url} is there and serves {model}."
    near = difflib.get_close_matches(model, names, 1, 0.3)
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return False, f"{url} does not serve {model!r} but {shown or 'nothing'}.{hint}"


def _token(entry: Mapping[str, Any]) -> Token:
    pairs = [(str(one["token"]), float(one["logprob"])) for one in entry.get("top_logprobs") or []]
    written = str(entry["token"]), float(entry["logprob"])
    return Token(written[0], pairs if written[0] in dict(pairs) else [*pairs, written])
