"""A judge behind HTTP: many questions under way, failures tried again, outages outlived."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from data_cards.errors import BadInputError, BadRowError
from scoring.judge import ratings, rubrics
from scoring.judge.base import JudgeItem, Judgement, JudgeOptions, OnResult, Usage, ignore
from scoring.judge.cache import AnswerCache
from scoring.judge.event_loop import run
from scoring.judge.keys import identity_hash, item_key, judge_key, places, shared
from scoring.judge.replies import AllRefusedError, RowRefusedError, TransientError
from scoring.judge.server import Server
from scoring.judge.spec import JudgeSpec

if TYPE_CHECKING:
    import httpx2
    from tenacity import AsyncRetrying

OUT = 5
"""Rows given up in succession, none answered or refused between, before no more are sent."""

UNREADABLE = 3
"""Answers without ratings after which the row stays without: each costs what a good one costs."""

LONGEST_WAIT = 300.0
"""Seconds that a server may ask to wait; a row that it would keep longer fails for now."""

_RANDOM = random.SystemRandom()  # the global generator is left alone


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
        self.name = str(spec)
        self.options = options
        self.usage = Usage()
        # Not the port: a server that is started again often has another.
        identity = f"openai:{spec.model}@{urlsplit(spec.url).hostname}"
        self.key = judge_key(identity, options)
        self._identity = identity_hash(identity, options)
        self._server = Server(spec.url, spec.model, options, self.usage)
        self._cache = cache
        self._spent = 0  # rows given up since one was last answered
        self._stopped: str | None = None  # why no more is sent
        self._blind: str | None = None  # why no more pictures are sent

    def check(self) -> tuple[bool, str]:
        """Whether the server is there and serves the model, in one line."""
        return self._look()[1:]

    def missing(self) -> str | None:
        """Why the server cannot be asked; ``None`` where it is there, though perhaps not well."""
        there, _, line = self._look()
        return None if there else line

    def _look(self) -> tuple[bool, bool, str]:
        async def look() -> tuple[bool, bool, str]:
            async with self._server.client() as client:
                return await self._server.look(client)

        return run(look())

    def judge(self, items: Sequence[JudgeItem], on_result: OnResult = ignore) -> list[Judgement]:
        """Judge every item; works from a thread that has a running loop, too.

        Raises:
            BadInputError: If the server is not there, or refuses everything, from the start. A
                failure later on leaves rows that may be asked about again.
        """
        started = time.perf_counter()
        try:
            return run(self._judge(items, on_result))
        finally:
            self.usage.seconds += time.perf_counter() - started

    async def _judge(self, items: Sequence[JudgeItem], on_result: OnResult) -> list[Judgement]:
        results: dict[int, Judgement] = {}
        rows = places([item_key(self._identity, item, self.options) for item in items])

        def done(key: bytes, judgement: Judgement) -> None:
            equal = rows[key]
            for index, one in zip(equal, shared(judgement, len(equal)), strict=True):
                results[index] = one
                self.usage.count(one)
                on_result(index, one)

        todo: list[bytes] = []
        for key in rows:
            known = self._cache.get(key) if self._cache else None
            if known is None:
                todo.append(key)
            else:
                done(key, known)
        if todo:
            async with self._server.client() as client:
                await self._greet(client)
                queue = iter(todo)

                async def worker(queue: Iterator[bytes]) -> None:
                    for key in queue:
                        done(key, await self._row(client, key, items[rows[key][0]]))

                try:
                    async with asyncio.TaskGroup() as group:
                        for _ in range(min(self.options.in_flight, len(todo))):
                            group.create_task(worker(queue))
                except BaseExceptionGroup as several:
                    raise several.exceptions[0] from None
        return [results[index] for index in range(len(items))]

    async def _greet(self, client: httpx2.AsyncClient) -> None:
        """Look whether the server is there, before the first question and after an outage."""
        if self._stopped is None and self.usage.requests:
            return
        there, _, line = await self._server.look(client)
        if there:
            self._stopped, self._spent = None, 0
        else:
            self._refuse_all(line, "")
            self._stopped = line

    async def _row(self, client: httpx2.AsyncClient, key: bytes, item: JudgeItem) -> Judgement:
        """One row, tried until it is answered, refused, or given up; its answer is stored."""
        shows = bool(item.pictures) and self.options.sends_images
        reason = self._stopped or (self._blind if shows else None)
        if reason is not None:
            return Judgement(reason=f"not asked: {reason}", retryable=True)
        try:
            jpegs = await asyncio.to_thread(self._jpegs, item) if shows else []
        except BadRowError as error:
            return Judgement(reason=error.reason, retryable=True)  # it may be there next time
        messages = rubrics.messages(rubrics.question(item, self.options), jpegs)
        try:
            judgement = await self._persist(client, messages, bool(jpegs))
        except RowRefusedError as error:
            judgement = Judgement(reason=self._server.hide(error.reason), retryable=not error.final)
        except AllRefusedError as error:
            reason = self._server.hide(error.reason)
            self._refuse_all(f"{reason}.", error.remedy)
            if error.pictures:
                self._blind = f"{reason}. {error.remedy}"
            else:
                self._stopped = f"{reason}. {error.remedy}"
            return Judgement(reason=f"{reason}. {error.remedy}", retryable=True)
        except TransientError as error:
            reason = self._server.hide(error.reason)
            self._spent += 1
            if self._spent >= OUT and self._stopped is None:
                self._stopped = f"{self._spent} rows in succession failed, the last: {reason}"
            return Judgement(reason=reason, retryable=True)
        self._spent = 0  # a refusal of one row is an answer, too: the server is there
        if self._cache is not None and not judgement.retryable:
            self._cache.put(key, judgement)
        return judgement

    async def _persist(
        self, client: httpx2.AsyncClient, messages: list[dict[str, Any]], pictures: bool
    ) -> Judgement:
        """Ask until there is an answer that can be read, or the tries are used up."""
        read = written = 0
        unreadable: list[ratings.UnreadableError] = []
        try:
            async for attempt in self._tries(unreadable):
                with attempt:
                    self.usage.retries += attempt.retry_state.attempt_number > 1
                    reply = await self._server.ask(client, messages, pictures)
                    read += reply.prompt_tokens
                    written += reply.completion_tokens
                    try:
                        found = ratings.read(self.options.rubric, reply.text, reply.tokens)
                    except ratings.UnreadableError as error:
                        unreadable.append(error)
                        raise
        except ratings.UnreadableError as error:
            # The model's own answer, not an accident: asking again another day would not help,
            # unless an outage cut the tries short.
            reason = f"{'cut off: ' if reply.cut else ''}{error}"
            found = Judgement(reason=reason, retryable=len(unreadable) < self._most_unreadable)
        return replace(found, prompt_tokens=read, completion_tokens=written)

    @property
    def _most_unreadable(self) -> int:
        return min(self.options.attempts, UNREADABLE)

    def _tries(self, unreadable: Sequence[Exception]) -> AsyncRetrying:
        """Exponential back-off with jitter, at least as long as the server asks to wait.

        Failures that may pass and ``unreadable`` answers have a number of tries each.
        """
        from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

        def asked(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            return (error.wait or 0.0) if isinstance(error, TransientError) else 0.0

        def wait(state: RetryCallState) -> float:
            longest = min(self.options.backoff * 2 ** (state.attempt_number - 1), 30.0)
            return asked(state) + _RANDOM.uniform(longest / 2, longest)

        def stop(state: RetryCallState) -> bool:
            failed = state.attempt_number - len(unreadable)
            spent = failed >= self.options.attempts or len(unreadable) >= self._most_unreadable
            return spent or self._stopped is not None or asked(state) > LONGEST_WAIT

        return AsyncRetrying(
            retry=retry_if_exception_type((TransientError, ratings.UnreadableError)),
            stop=stop,
            wait=wait,
            sleep=asyncio.sleep,
            reraise=True,
        )

    def _jpegs(self, item: JudgeItem) -> list[bytes]:
        return [picture.jpeg(self.options.image_side) for picture in item.pictures]

    def _refuse_all(self, message: str, remedy: str) -> None:
        """End the run at once if the judge never worked; later on, go on without it."""
        if not self.usage.answered + self.usage.unrated:
            raise BadInputError(f"The judge {self.name}: {message}", remedy)
