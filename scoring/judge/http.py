"""A judge behind HTTP: many questions under way at once, failures tried again, outages outlived."""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections.abc import Coroutine, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError, BadRowError
from scoring.judge import ratings, rubrics
from scoring.judge.base import JudgeItem, Judgement, JudgeOptions, OnResult, Usage, ignore
from scoring.judge.cache import AnswerCache
from scoring.judge.keys import identity_hash, item_key, judge_key
from scoring.judge.replies import (
    AllRefusedError,
    Reply,
    RowRefusedError,
    TransientError,
    models_line,
    refusal,
    reply_from,
    words_of,
)
from scoring.judge.request import Request
from scoring.judge.spec import JudgeSpec

if TYPE_CHECKING:
    import httpx2

OUT = 5
"""Rows in succession that are given up, none answered between, before no more are sent."""

_RANDOM = random.SystemRandom()  # the global generator is left alone

LONGEST_WAIT = 300.0
"""Seconds that a server may ask to wait; a row that it would keep longer fails for now."""


class HttpJudge:
    """Any server with the chat completions interface (vLLM, SGLang, llama.cpp, hosted ones).

    The key is taken from ``PICKWELL_JUDGE_API_KEY`` or ``OPENAI_API_KEY`` when the first request
    is made; it is written nowhere.

    Args:
        spec: Model and address.
        options: How to ask.
        cache: Where answers are kept; ``None``: nowhere.
    """

    def __init__(self, spec: JudgeSpec, options: JudgeOptions, cache: AnswerCache | None) -> None:
        if spec.url is None:
            raise ValueError("a judge over HTTP needs an address")
        self.spec = spec
        self.url = spec.url
        self.options = options
        self.usage = Usage()
        self._cache = cache
        self._request = Request(spec.model, options)
        self._identity = identity_hash(_identity(spec), options)
        self._spent = 0  # rows given up since one was last answered
        self._stopped: str | None = None  # why no more is sent
        self._blind: str | None = None  # why no more pictures are sent

    @property
    def name(self) -> str:
        """The spec."""
        return str(self.spec)

    @property
    def key(self) -> str:
        """See :func:`scoring.judge.keys.judge_key`."""
        return judge_key(_identity(self.spec), self.options)

    def check(self) -> tuple[bool, str]:
        """Whether the server is there and serves the model, in one line."""

        async def look() -> tuple[bool, str]:
            async with self._client() as client:
                return (await self._look(client))[1:]

        return _run(look())

    def judge(self, items: Sequence[JudgeItem], on_result: OnResult = ignore) -> list[Judgement]:
        """Judge every item; works from a thread that has a running loop, too."""
        started = time.perf_counter()
        try:
            return _run(self._judge(items, on_result))
        finally:
            self.usage.seconds += time.perf_counter() - started

    async def _judge(self, items: Sequence[JudgeItem], on_result: OnResult) -> list[Judgement]:
        results: list[Judgement | None] = [None] * len(items)

        def done(index: int, judgement: Judgement) -> None:
            results[index] = judgement
            self.usage.count(judgement)
            on_result(index, judgement)

        todo: list[int] = []
        for index, item in enumerate(items):
            known = self._cache.get(self._item_key(item)) if self._cache else None
            if known is None:
                todo.append(index)
            else:
                done(index, known)
        if todo:
            async with self._client() as client:
                await self._greet(client)
                queue = iter(todo)

                async def worker(queue: Iterator[int]) -> None:
                    for index in queue:
                        done(index, await self._row(client, items[index]))

                try:
                    async with asyncio.TaskGroup() as group:
                        for _ in range(min(self.options.in_flight, len(todo))):
                            group.create_task(worker(queue))
                except BaseExceptionGroup as several:
                    raise several.exceptions[0] from None
        return [result for result in results if result is not None]

    async def _greet(self, client: httpx2.AsyncClient) -> None:
        """Look whether the server is there, before the first question and after an outage."""
        if self._stopped is None and self.usage.requests:
            return
        there, _, line = await self._look(client)
        if there:
            self._stopped, self._spent = None, 0
        else:
            self._refuse_all(line, "")
            self._stopped = line

    async def _look(self, client: httpx2.AsyncClient) -> tuple[bool, bool, str]:
        """Whether it can be asked at all, whether all is well, and a line that says so."""
        import httpx2

        try:
            reply = await client.get(f"{self.url}/models", timeout=min(self.options.timeout, 10.0))
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            said = " ".join(str(error).split()) or "no connection"
            line = f"No server answers at {self.url} ({said}): start it, or check the address."
            return False, False, line
        except httpx2.HTTPError as error:
            return True, False, f"{self.url} does not answer well ({_words(error)}): try again."
        if reply.status_code in (401, 403):
            said = self._hide(words_of(reply.content))
            return (
                False,
                False,
                f"{self.url} refuses the key ({reply.status_code}: {said}): put the right one "
                "into PICKWELL_JUDGE_API_KEY.",
            )
        if reply.status_code != 200:
            line = f"{self.url} is there, but lists no models ({reply.status_code})."
            return True, reply.status_code in (404, 405), line
        return True, *models_line(reply.content, self.spec.model, self.url)

    async def _row(self, client: httpx2.AsyncClient, item: JudgeItem) -> Judgement:
        """One row, tried until it is answered, refused, or given up; its answer is stored."""
        shows = bool(item.pictures) and self.options.sends_images
        reason = self._stopped or (self._blind if shows else None)
        if reason is not None:
            return Judgement(reason=f"not asked: {reason}", retryable=True)
        try:
            jpegs = await asyncio.to_thread(self._jpegs, item) if shows else []
        except BadRowError as error:
            return Judgement(reason=error.reason)
        messages = rubrics.messages(rubrics.question(item, self.options), jpegs)
        try:
            judgement = await self._persist(client, messages, bool(jpegs))
        except RowRefusedError as error:
            judgement = Judgement(reason=self._hide(error.reason), retryable=not error.final)
        except AllRefusedError as error:
            reason = self._hide(error.reason)
            self._refuse_all(reason[:1].upper() + reason[1:] + ".", error.remedy)
            if error.pictures:
                self._blind = reason
            else:
                self._stopped = reason
            return Judgement(reason=reason, retryable=True)
        except TransientError as error:
            judgement = Judgement(reason=self._hide(error.reason), retryable=True)
        if judgement.retryable:
            self._spent += 1
            if self._spent >= OUT and self._stopped is None:
                self._stopped = f"{self._spent} rows in succession failed, the last: " + str(
                    judgement.reason
                )
        else:
            self._spent = 0
            if self._cache is not None:
                self._cache.put(self._item_key(item), judgement)
        return judgement

    async def _persist(
        self, client: httpx2.AsyncClient, messages: list[dict[str, Any]], pictures: bool
    ) -> Judgement:
        """Ask until there is an answer, with exponential back-off and jitter."""
        from tenacity import (
            AsyncRetrying,
            RetryCallState,
            retry_if_exception_type,
        )

        def asked(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            return (error.wait or 0.0) if isinstance(error, TransientError) else 0.0

        def wait(state: RetryCallState) -> float:
            longest = min(self.options.backoff * 2 ** (state.attempt_number - 1), 30.0)
            return asked(state) + _RANDOM.uniform(longest / 2, longest)

        def stop(state: RetryCallState) -> bool:
            spent = state.attempt_number >= self.options.attempts
            return spent or self._stopped is not None or asked(state) > LONGEST_WAIT

        retrying = AsyncRetrying(
            retry=retry_if_exception_type((TransientError, ratings.UnreadableError)),
            stop=stop,
            wait=wait,
            sleep=asyncio.sleep,
            reraise=True,
        )
        spent = [0, 0]
        try:
            async for attempt in retrying:
                with attempt:
                    number = attempt.retry_state.attempt_number
                    self.usage.retries += number > 1
                    reply = await self._ask(client, messages, pictures)
                    spent[0] += reply.prompt_tokens
                    spent[1] += reply.completion_tokens
                    judgement = ratings.read(self.options.rubric, reply.text, reply.tokens)
        except ratings.UnreadableError as error:
            # The model's own answer, not an accident: asking again another day would not help.
            return Judgement(
                reason=f"{'cut off: ' if reply.cut else ''}{error}",
                prompt_tokens=spent[0],
                completion_tokens=spent[1],
            )
        return Judgement(
            judgement.ratings,
            judgement.method,
            judgement.reason,
            prompt_tokens=spent[0],
            completion_tokens=spent[1],
        )

    async def _ask(
        self, client: httpx2.AsyncClient, messages: list[dict[str, Any]], pictures: bool
    ) -> Reply:
        """One request; more only while the server turns down one of its parameters."""
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
            if reply.status_code in (400, 422) and self._request.without(
                words_of(reply.content), body
            ):
                continue
            raise refusal(reply.status_code, reply.content, reply.headers, pictures)

    def _client(self) -> httpx2.AsyncClient:
        import httpx2

        key = _api_key()
        local = (httpx2.URL(self.url).host or "") in ("127.0.0.1", "localhost", "::1")
        return httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx2.Timeout(self.options.timeout, connect=min(self.options.timeout, 10.0)),
            limits=httpx2.Limits(max_connections=self.options.in_flight + 1),
            trust_env=not local,  # a proxy knows nothing of this machine's own servers
        )

    def _jpegs(self, item: JudgeItem) -> list[bytes]:
        return [picture.jpeg(self.options.image_side) for picture in item.pictures]

    def _item_key(self, item: JudgeItem) -> bytes:
        return item_key(self._identity, item, self.options)

    def _refuse_all(self, message: str, remedy: str) -> None:
        """End the run at once if the judge never worked; later on, go on without it."""
        if not self.usage.answered + self.usage.unrated:
            raise BadInputError(f"The judge {self.name}: {message}", remedy)

    def _hide(self, text: str) -> str:
        """A server's words, without the key, should it repeat it."""
        key = _api_key()
        return text.replace(key, "***") if key else text


def _identity(spec: JudgeSpec) -> str:
    """Model and host. Not the port: a server that is started again often has another."""
    from urllib.parse import urlsplit

    return f"openai:{spec.model}@{urlsplit(spec.url or '').hostname}"


def _api_key() -> str | None:
    return os.environ.get("PICKWELL_JUDGE_API_KEY") or os.environ.get("OPENAI_API_KEY") or None


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run to the end, also where this thread has a running loop already (a notebook)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    outcome: list[Any] = []
    failure: list[BaseException] = []

    def inside() -> None:
        try:
            outcome.append(asyncio.run(work))
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=inside, name="judge", daemon=True)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]
