"""What the service counts, in a registry of its own, for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from pickwell.serving.limits import Refused

OUTCOMES = ("ok", "refused", "busy", "late", "gone", "error")
_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Measures:
    """Counters of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "pickwell_requests",
            "Requests to /score: ok, refused (as they are), busy (no place in the queue, or not "
            "loaded yet), late (no answer in time), gone (nobody waits any more), error.",
            ["outcome"],
            registry=self.registry,
        )
        for outcome in OUTCOMES:
            self.requests.labels(outcome)  # a counter that is not there yet cannot be watched
        self.pairs = Counter(
            "pickwell_pairs", "Pairs answered, bad ones among them.", registry=self.registry
        )
        self.bad = Counter("pickwell_bad_pairs", "Pairs that were bad.", registry=self.registry)
        self.seconds = Histogram(
            "pickwell_request_seconds",
            "From the first byte of a request to its answer.",
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.queue = Gauge("pickwell_queue_length", "Requests inside.", registry=self.registry)
        self.ready = Gauge("pickwell_ready", "1: the models are loaded.", registry=self.registry)

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count a request by how it ends."""
        started, outcome = time.perf_counter(), "error"
        try:
            yield
            outcome = "ok"
        except Refused as refused:
            outcome = refused.outcome
            raise
        finally:
            self.requests.labels(outcome).inc()
            self.seconds.observe(time.perf_counter() - started)

    def text(self) -> str:
        """All of them, as Prometheus reads them."""
        return generate_latest(self.registry).decode()
