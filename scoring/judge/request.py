"""The body of a request, less what a server has turned down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scoring.judge import rubrics
from scoring.judge.base import JudgeOptions
from scoring.judge.ratings import TOP

_FEWER = 5
"""Alternatives asked for where a server gives fewer than :data:`TOP`."""


class Request:
    """What is asked of a server beside the messages.

    Compatible servers differ in what they take. One that turns a parameter down, and names it, is
    asked without it from then on: without probabilities ratings are the numbers written, without a
    schema the prompt alone asks for JSON.

    Args:
        model: The model's name on the server.
        options: Rubric and longest answer.
    """

    def __init__(self, model: str, options: JudgeOptions) -> None:
        self._fields: dict[str, Any] = {
            "model": model,
            "temperature": 0,
            "max_tokens": options.max_tokens,
            "logprobs": True,
            "top_logprobs": TOP,
            "response_format": {
                "type": "json_schema",
                "json_schema": {
                    "name": "ratings",
                    "strict": True,
                    "schema": rubrics.schema(options.rubric),
                },
            },
        }

    def body(self, messages: list[dict[str, Any]]) -> dict[str, Any]:
        """The whole body."""
        return {**self._fields, "messages": messages}

    def without(self, words: str, sent: Mapping[str, Any]) -> bool:
        """Leave out what the server's words name.

        Args:
            words: The server's words.
            sent: The body that they are about.

        Returns:
            Whether another try makes sense.
        """
        said = words.lower()
        fields = self._fields
        if fields != {name: value for name, value in sent.items() if name != "messages"}:
            return True  # another request has met the same words in the meantime
        if "max_completion_tokens" in said and "max_tokens" in fields and "instead" in said:
            fields["max_completion_tokens"] = fields.pop("max_tokens")
            return True
        if "logprobs" in said and fields.get("top_logprobs") == TOP:
            fields["top_logprobs"] = _FEWER
            return True
        if "logprobs" in said and "logprobs" in fields:
            del fields["logprobs"], fields["top_logprobs"]
            return True
        for names in (("response_format", "json_schema"), ("temperature",)):
            if any(name in said for name in names) and names[0] in fields:
                del fields[names[0]]
                return True
        return False
