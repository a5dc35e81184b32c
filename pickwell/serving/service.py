"""One scorer, one thread that uses it, and a short line of requests before it."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pickwell.serving.limits import Limits, Refused
from pickwell.serving.measures import Measures

if TYPE_CHECKING:
    from data_cards.sample import Sample
    from pickwell.serving.requests import RequestReader
    from pickwell.warm_scorer import WarmScorer

log = logging.getLogger(__name__)


class Service:
    """Scores requests one after the other, in the order in which their bodies are complete.

    All methods but :meth:`_load` and :meth:`_score` are called in the event loop.

    Args:
        load: Opens the scorer; called once, in the scoring thread.
        limits: What is refused.
    """

    def __init__(self, load: Callable[[], WarmScorer], limits: Limits) -> None:
        self.limits = limits
        self.measures = Measures()
        self.scorer: WarmScorer | None = None
        self.failure: BaseException | None = None
        self._open = load
        self._scoring = ThreadPoolExecutor(1, "score")
        self._reading = ThreadPoolExecutor(1, "read")
        self._inside = 0
        self._pair_seconds = 0.2  # a first guess, for Retry-After only

    @property
    def ready(self) -> bool:
        """Whether the models are loaded."""
        return self.scorer is not None

    def start(self, on_failure: Callable[[], None] = lambda: None) -> None:
        """Begin to load the models."""
        self._scoring.submit(self._load, on_failure)

    def stop(self) -> None:
        """Wait for what is in hand, then close the scorer."""
        for threads in (self._reading, self._scoring):
            threads.shutdown(wait=True)
        if self.scorer is not None:
            self.scorer.close()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place in the line, from the first byte on: bodies take memory while they wait.

        Raises:
            Refused: If there is none, or the models are not loaded.
        """
        if not self.ready:
            raise Refused(503, "The models are being loaded.", "Try again.", 5, "busy")
        if self._inside > self.limits.max_queue:
            wait = max(1, math.ceil(self._inside * self._pair_seconds))
            raise Refused(503, "Too many requests are waiting.", "Try again.", wait, "busy")
        self._inside += 1
        self.measures.queue.set(self._inside)
        try:
            yield
        finally:
            self._inside -= 1
            self.measures.queue.set(self._inside)

    async def read(self, reader: RequestReader, body: bytes, content_type: str) -> list[Sample]:
        """Take a body apart, one at a time and beside the event loop: it may be large."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reading, reader.samples, body, content_type)

    async def answer(
        self, samples: list[Sample], gone: Callable[[], Awaitable[bool]]
    ) -> list[dict[str, Any]]:
        """Rows of the ScoreTable for some samples.

        Args:
            samples: Of one request.
            gone: Whether nobody waits for the answer any more.

        Raises:
            Refused: If it takes too long, or nobody waits.
        """
        loop, stop = asyncio.get_running_loop(), threading.Event()
        deadline = loop.time() + self.limits.answer_seconds
        job = loop.run_in_executor(self._scoring, self._score, samples, stop)
        try:
            while not job.done():
                left = deadline - loop.time()
                if left <= 0:
                    raise Refused(
                        503,
                        f"No answer within {self.limits.answer_seconds:g} seconds.",
                        "Send fewer pairs at a time, or try again.",
                        5,
                        "late",
                    )
                await asyncio.wait({job}, timeout=min(left, 1.0))
                if not job.done() and await gone():
                    raise Refused(408, "Nobody waits for the answer.", outcome="gone")
            return job.result()
        finally:
            stop.set()
            job.cancel()

    def _load(self, on_failure: Callable[[], None]) -> None:
        try:
            scorer = self._open()
            scorer.warm_up()
        except BaseException as error:
            self.failure = error
            on_failure()
            return
        self.scorer = scorer
        self.measures.ready.set(1)

    def _score(self, samples: list[Sample], stop: threading.Event) -> list[dict[str, Any]]:
        assert self.scorer is not None
        started = time.perf_counter()
        rows = self.scorer.score(samples, lambda: not stop.is_set())
        self.measures.pairs.inc(len(rows))
        self.measures.bad.inc(sum(row["status"] == "bad" for row in rows))
        if rows:
            each = (time.perf_counter() - started) / len(rows)
            self._pair_seconds += 0.1 * (each - self._pair_seconds)
        return rows
