"""The line of requests, with a scorer that waits to be let."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from data_cards import Sample
from pickwell.serving.limits import Limits, Refused
from pickwell.serving.service import Service


class Scorer:
    def __init__(self):
        self.let, self.done = threading.Event(), []

    def warm_up(self):
        pass

    def close(self):
        self.done.append("closed")

    def score(self, samples, go_on):
        for sample in samples:
            if not go_on():
                break
            assert self.let.wait(30)
            self.done.append(sample.id)
        return [{"status": "ok"} for _ in samples]


@pytest.fixture
def service():
    scorer = Scorer()
    made = Service(lambda: scorer, Limits(max_queue=1))
    made.start()
    until = time.monotonic() + 30
    while not made.ready and time.monotonic() < until:
        time.sleep(0.01)
    yield made
    scorer.let.set()
    made.stop()


def run(job):
    """Run a coroutine in a thread of its own: Playwright's fixtures leave a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, job).result()


async def stays():
    return False


async def leaves():
    return True


def test_work_for_nobody_ends_at_the_next_pair(service):
    samples = [Sample(str(n)) for n in range(5)]

    async def go():
        asked = asyncio.create_task(service.answer(samples, leaves))
        waiting = asyncio.create_task(service.answer([Sample("never")], leaves))
        for job in (asked, waiting):
            with pytest.raises(Refused) as refused:
                await job
            assert refused.value.outcome == "gone"
        service.scorer.let.set()
        return await service.answer([Sample("next")], stays)

    assert run(go()) == [{"status": "ok"}]
    assert service.scorer.done == ["0", "next"]


def test_places_are_given_back(service):
    with service.place(), service.place(), pytest.raises(Refused) as refused, service.place():
        pass
    assert refused.value.status == 503 and refused.value.retry_after >= 1
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), service.place():
            _ = 1 / 0
    with service.place(), service.place():
        pass


def test_the_end_waits_for_what_is_in_hand(service):
    async def go():
        asked = asyncio.create_task(service.answer([Sample("a"), Sample("b")], stays))
        await asyncio.sleep(0.05)
        threading.Timer(0.2, service.scorer.let.set).start()
        await asyncio.to_thread(service.stop)
        return await asked

    assert len(run(go())) == 2 and service.scorer.done == ["a", "b", "closed"]
