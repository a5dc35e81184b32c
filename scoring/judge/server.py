"""One server with the chat completions interface: is it there, and one request to it."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from scoring.judge.base import JudgeOptions, Usage
from scoring.judge.replies import (
    Reply,
    TransientError,
    models_line,
    refusal,
    reply_from,
    words_of,
)
from scoring.judge.request import Request

if TYPE_CHECKING:
    import httpx2

_LOCAL = ("127.0.0.1", "localhost", "::1")
_LOOK = 10.0


class Server:
    """A server, as long as a judge lives; connections last as long as a :meth:`client`.

    Args:
        url: Where its interface begins.
        model: The model that is asked for.
        options: Rubric, time limit, connections.
        usage: Where requests and tokens are counted.
    """

    def __init__(self, url: str, model: str, options: JudgeOptions, usage: Usage) -> None:
        self.url = url
        self.model = model
        self.options = options
        self.usage = usage
        self._request = Request(model, options)

    def client(self) -> httpx2.AsyncClient:
        """Connections, as many as questions may be under way."""
        import httpx2

        key = _api_key()
        return httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx2.Timeout(self.options.timeout, connect=_LOOK),
            limits=httpx2.Limits(max_connections=self.options.in_flight + 1),
            # a proxy knows nothing of this machine's own servers
            trust_env=httpx2.URL(self.url).host not in _LOCAL,
        )

    async def look(self, client: httpx2.AsyncClient) -> tuple[bool, bool, str]:
        """Whether it can be asked at all, whether all is well, and one line that says so."""
        import httpx2

        try:
            reply = await client.get(f"{self.url}/models", timeout=_LOOK)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            line = f"No server answers at {self.url} ({_words(error)}): start it, or check the "
            return False, False, line + "address."
        except httpx2.HTTPError as error:
            return True, False, f"{self.url} does not answer well ({_words(error)}): try again."
        if reply.status_code in (401, 403):
            said = self.hide(words_of(reply.content))
            line = f"{self.url} refuses the key ({reply.status_code}: {said}): put the right one "
            return False, False, line + "into PICKWELL_JUDGE_API_KEY."
        if reply.status_code != 200:
            line = f"{self.url} is there, but lists no models ({reply.status_code})."
            return True, reply.status_code in (404, 405), line
        return True, *models_line(reply.content, self.model, self.url)

    async def ask(
        self, client: httpx2.AsyncClient, messages: list[dict[str, Any]], pictures: bool
    ) -> Reply:
        """One request; more only while the server turns down one of its parameters.

        Raises:
            TransientError: For a failure that may pass.
            RowRefusedError: If this row will not be answered.
            AllRefusedError: If no row will be.
        """
        import httpx2

        while True:
            self.usage.requests += 1
            body = self._request.body(messages)
            try:
                async with asyncio.timeout(self.options.timeout):
                    reply = await client.post(f"{self.url}/chat/completions", json=body)
            except (TimeoutError, httpx2.TimeoutException):
                raise TransientError(f"no answer within {self.options.timeout:g} s") from None
            except httpx2.HTTPError as error:
                raise TransientError(f"the connection failed ({_words(error)})") from None
            if reply.status_code == 200:
                answer = reply_from(reply.content)
                self.usage.prompt_tokens += answer.prompt_tokens
                self.usage.completion_tokens += answer.completion_tokens
                return answer
            words = words_of(reply.content)
            if reply.status_code in (400, 422) and self._request.without(words, body):
                continue
            raise refusal(reply.status_code, reply.content, reply.headers, pictures)

    def hide(self, text: str) -> str:
        """A server's words, without the key, should it repeat it."""
        key = _api_key()
        return text.replace(key, "***") if key else text


def _api_key() -> str | None:
    return os.environ.get("PICKWELL_JUDGE_API_KEY") or os.environ.get("OPENAI_API_KEY") or None


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
