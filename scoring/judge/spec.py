"""From the word after ``--judge`` to a judge: ``openai:MODEL@URL`` or ``vllm:MODEL[@REVISION]``."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from data_cards.errors import BadInputError
from scoring.judge.base import Judge, JudgeOptions
from scoring.judge.cache import AnswerCache

EXAMPLE = "For example openai:MODEL@http://127.0.0.1:8000/v1, or vllm:FOLDER."


@dataclass(frozen=True, slots=True)
class JudgeSpec:
    """A judge as it was named.

    Attributes:
        kind: ``"openai"``: any server with that interface; ``"vllm"``: in this process.
        model: The model's name there, a hub name, or a folder.
        url: Where the server's interface begins, without a slash at the end.
        revision: Of a hub model.
    """

    kind: Literal["openai", "vllm"]
    model: str
    url: str | None = None
    revision: str | None = None

    def __str__(self) -> str:
        place = self.url or self.revision
        return f"{self.kind}:{self.model}" + (f"@{place}" if place else "")


def parse_judge_spec(text: str) -> JudgeSpec:
    """Take a spec apart; nothing is loaded or asked.

    Raises:
        BadInputError: If it is not one; says what is wrong with it.
    """
    shown = hidden(text)
    kind, colon, rest = text.strip().partition(":")
    if not colon or kind not in ("openai", "vllm") or not rest:
        near = difflib.get_close_matches(kind, ("openai", "vllm"), 1)
        hint = f"Did you mean {near[0]!r}? " if near and near[0] != kind else ""
        raise BadInputError(f"There is no judge {shown!r}.", hint + EXAMPLE)
    if kind == "vllm":
        if Path(rest).is_dir():  # a folder's name may hold an @
            return JudgeSpec("vllm", rest)
        model, _, revision = rest.partition("@")
        if not model or rest.endswith("@"):
            raise BadInputError(f"The judge {shown!r} names no model or no revision.", EXAMPLE)
        return JudgeSpec("vllm", model, revision=revision or None)
    # a model's name may hold an @, and so may an address (which is refused below)
    parts = re.match(r"(.+?)@(https?://.*)", rest) or re.match(r"(.+)@(.*)", rest)
    if parts is None:
        raise BadInputError(f"The judge {shown!r} does not say where its server is.", EXAMPLE)
    return JudgeSpec("openai", parts[1], url=_url(parts[2], shown))


def judge_from_spec(
    spec: str | JudgeSpec, options: JudgeOptions | None = None, cache: Path | None = None
) -> Judge:
    """Make a judge. Cheap: no server is asked and no model loaded.

    Args:
        spec: See :func:`parse_judge_spec`.
        options: How to ask.
        cache: Folder in which answers are kept; ``None``: nowhere.

    Raises:
        BadInputError: If the spec is wrong.
    """
    parsed = spec if isinstance(spec, JudgeSpec) else parse_judge_spec(spec)
    options = options or JudgeOptions()
    answers = None if cache is None else AnswerCache(cache / "judge-answers.sqlite")
    if parsed.kind == "openai":
        from scoring.judge.http import HttpJudge

        return HttpJudge(parsed, options, answers)
    from scoring.judge.in_process import VllmJudge

    return VllmJudge(parsed, options, answers)


def hidden(text: str) -> str:
    """A spec without the user name and password that its address may hold."""
    return re.sub(r"//.*@", "//***@", text, flags=re.DOTALL)


def _url(text: str, spec: str) -> str:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  (raises where it is no number)
    except ValueError as error:
        why = "" if "@" in text else f": {error}"  # it may be a piece of the password
        raise BadInputError(f"The judge {spec!r} has a wrong address{why}.", EXAMPLE) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadInputError(f"The judge {spec!r} has no address of a server after @.", EXAMPLE)
    if parts.username or parts.password:
        place = f"{parts.scheme}://{parts.hostname}"
        raise BadInputError(  # the spec is written into run.json, and not repeated here either
            f"The address of the judge at {place} holds a user name or password.",
            "Put the key into the environment variable PICKWELL_JUDGE_API_KEY.",
        )
    if parts.query or parts.fragment:
        raise BadInputError(f"The judge {spec!r} has an address with ? or #.", EXAMPLE)
    if not parts.path.strip("/"):
        raise BadInputError(
            f"The judge {spec!r} has an address without a path.",
            f"Most servers answer at {text.rstrip('/')}/v1.",
        )
    return text.rstrip("/")
