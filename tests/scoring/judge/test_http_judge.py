"""The judge over HTTP against a server that fails on purpose."""

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from data_cards import BadInputError
from scoring.judge.base import JudgeItem, JudgeOptions
from scoring.judge.spec import judge_from_spec
from tests.scoring.judge.fake_server import FakeServer
from tests.scoring.judge.questions import items, judge, right

ROOT = Path(__file__).parents[3]


def test_every_row_is_answered_once_though_a_third_of_the_requests_fail(tmp_path):
    rows = items(120)
    heard = []
    with FakeServer(trouble=0.3, delay=0.2) as server:
        asked = judge(server, tmp_path)
        found = asked.judge(rows, lambda index, judgement: heard.append(index))
        assert set(server.troubles) == {"drop", "delay", "broken", "fields", "429", "500"}
        assert server.answered.total() == len(server.answered) == 120
        assert asked.usage.requests == server.requests
    for row, judgement in zip(rows, found, strict=True):
        assert judgement.ratings == pytest.approx(right(row)) and judgement.reason is None
        assert judgement.method == "expected"
    assert sorted(heard) == list(range(120))
    usage = asked.usage
    assert (usage.answered, usage.failed, usage.from_cache) == (120, 0, 0)
    assert usage.retries == server.troubles.total() == usage.requests - 120
    assert usage.prompt_tokens == 12_000 and usage.completion_tokens == 2_400


def test_with_few_tries_some_fail_and_a_second_run_asks_those_alone(tmp_path):
    rows = items(40)
    with FakeServer(trouble=0.3, kinds=("drop", "500", "429", "broken"), seed=3) as server:
        first = judge(server, tmp_path, attempts=1, in_flight=1)
        found = first.judge(rows)
        failed = [index for index, one in enumerate(found) if one.rating is None]
        assert failed and first.usage.failed == len(failed)
        assert all(found[index].retryable and found[index].reason for index in failed)
        assert sum(first.usage.reasons.values()) == len(failed)
        server.trouble = 0.0
        server.bodies.clear()
        second = judge(server, tmp_path)
        again = second.judge(rows)
        assert second.usage.answered == second.usage.requests == len(failed)
        assert second.usage.from_cache == 40 - len(failed)
        assert server.answered.total() == len(server.answered) == 40
    assert all(
        one.ratings == pytest.approx(right(row)) for row, one in zip(rows, again, strict=True)
    )


def test_a_request_that_takes_too_long_is_tried_again():
    with FakeServer(trouble=0.5, kinds=("delay",), delay=4) as server:
        found = judge(server, timeout=2).judge(items(4))
        assert all(one.rating is not None for one in found)
        server.trouble = 1.0
        (late,) = judge(server, timeout=0.3, attempts=2).judge(items(1, 50))
        assert late.retryable and late.reason == "no answer within 0.3 s"


def test_questions_are_under_way_together_but_no_more_than_allowed():
    with FakeServer(wait=0.05) as server:
        judge(server, in_flight=10).judge(items(40))
        assert 5 < server.most_at_once <= 10


def test_a_server_killed_midway_and_started_again(tmp_path):
    rows = items(60)
    server = FakeServer(wait=0.02)
    asked = judge(server, tmp_path, attempts=2, in_flight=4)

    def kill(index, judgement):
        if asked.usage.answered == 20:
            server.close()

    found = asked.judge(rows, kill)
    answered = set(server.answered)
    assert 20 <= asked.usage.answered < 60
    lost = [one for one in found if one.rating is None]
    assert lost and all(one.retryable for one in lost)
    assert any("not asked: 5 rows in succession failed" in one.reason for one in lost)
    # no thousand tries against a dead server
    assert asked.usage.requests < 60 + 4 * 2 + 10
    with FakeServer(port=server.port) as again:
        late = judge(again, tmp_path)
        found = late.judge(rows)
        assert all(
            one.ratings == pytest.approx(right(r)) for r, one in zip(rows, found, strict=True)
        )
        assert late.usage.from_cache == asked.usage.answered
        assert len(again.answered) == again.answered.total() == 60 - asked.usage.answered
        # what the first server finished sending while it was killed may be asked once more
        assert len(answered & set(again.answered)) <= 4


def test_the_same_judge_goes_on_when_the_server_is_back(tmp_path):
    server = FakeServer()
    asked = judge(server, tmp_path, attempts=1)
    assert all(one.rating for one in asked.judge(items(5)))
    server.close()
    found = asked.judge(items(20, 10))
    assert all(one.retryable for one in found)
    with FakeServer(port=server.port) as again:
        assert all(one.rating for one in asked.judge(items(20, 10)))
        assert len(again.answered) == 20


def test_a_server_that_is_down_says_in_one_line_what_to_do():
    server = FakeServer()
    server.close()
    asked = judge(server)
    fine, line = asked.check()
    assert not fine and "\n" not in line and server.url in line and "start it" in line
    with pytest.raises(BadInputError, match="No server answers"):
        asked.judge(items(3))


def test_check_says_which_model_is_served():
    with FakeServer() as server:
        assert judge(server).check() == (True, f"{server.url} is there and serves fake.")
        server.models = ["fakes"]
        fine, line = judge(server).check()
        assert not fine and "Did you mean 'fakes'?" in line


def test_equal_questions_are_paid_for_once(picture):
    rows = [JudgeItem("q", "a", (picture,)), *items(2), JudgeItem("q", "a"), *items(2)]
    with FakeServer() as server:
        server.say = (200, {"choices": [{"message": {"content": '{"rating": 70}'}}]})
        asked = judge(server, rubric="paper")
        assert [one.rating for one in asked.judge(rows)] == [70] * 6
        assert (server.requests, asked.usage.answered, asked.usage.from_cache) == (3, 3, 3)


def test_a_server_that_wants_an_hour_is_not_waited_for():
    with FakeServer(trouble=1.0, kinds=("429",), retry_after="3600") as server:
        (found,) = judge(server).judge(items(1))
        assert found.retryable and "429" in found.reason and server.requests == 1


def test_retry_after_is_waited_for():
    with FakeServer(trouble=1.0, kinds=("429",), retry_after="0.3") as server:
        started = time.perf_counter()
        judge(server, attempts=3).judge(items(1))
        assert time.perf_counter() - started > 0.6


def test_a_server_that_only_fails_is_left_alone():
    with FakeServer(trouble=1.0, kinds=("500",)) as server:
        asked = judge(server, attempts=2)
        found = asked.judge(items(300))
        assert all(one.retryable for one in found) and asked.usage.failed == 300
        assert server.requests <= 30


def test_inside_a_running_loop():
    async def inside():
        with FakeServer() as server:
            return judge(server).judge(items(3)), judge(server).check()

    # In a thread of its own: browser tests leave a running loop in the main one.
    with ThreadPoolExecutor(1) as threads:
        found, (fine, _) = threads.submit(asyncio.run, inside()).result()
    assert fine and all(one.rating for one in found)


def test_the_global_random_numbers_are_left_alone():
    random.seed(7)
    state = random.getstate()
    with FakeServer(trouble=0.5, kinds=("500",)) as server:
        judge(server).judge(items(10))
        # the fake draws from a generator of its own
    assert random.getstate() == state


def test_other_questions_have_other_keys(tmp_path, picture):
    base = judge_from_spec("openai:m@http://a:1/v1")
    key = lambda spec="openai:m@http://a:1/v1", **o: judge_from_spec(spec, JudgeOptions(**o)).key  # noqa: E731
    changed = [
        key("openai:n@http://a:1/v1"),
        key("openai:m@http://b:1/v1"),
        key(rubric="paper"),
        key(images=False),
        key(image_side=300),
        key(max_tokens=50),
    ]
    assert len({base.key, *changed}) == 7
    same = [key("openai:m@http://a:2/v1"), key(in_flight=1, timeout=3, attempts=1, price_in=3)]
    assert {base.key, *same} == {base.key}


CLIENT = """
import sys
from scoring.judge.base import JudgeItem, JudgeOptions
from scoring.judge.spec import judge_from_spec
from pathlib import Path
spec, cache, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
judge = judge_from_spec(spec, JudgeOptions(in_flight=4), cache)
rows = [JudgeItem(f"What is number {n}?", f"It is {n}.") for n in range(count)]
judge.judge(rows, lambda index, judgement: print(index, flush=True))
"""


def client(server: FakeServer, cache: Path, count: int) -> subprocess.Popen:
    words = [sys.executable, "-c", CLIENT, server.spec, str(cache), str(count)]
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ)


def test_a_killed_client_loses_only_what_was_under_way(tmp_path):
    with FakeServer(wait=0.02) as server:
        process = client(server, tmp_path, 80)
        for _ in range(30):
            process.stdout.readline()
        process.kill()
        process.wait()
        process.stdout.close()
        time.sleep(0.2)  # what the server was answering
        before = server.answered.total()
        assert 30 <= before < 80
        asked = judge(server, tmp_path)
        found = asked.judge(items(80))
        assert all(one.rating is not None for one in found)
        assert asked.usage.from_cache >= 30
        assert asked.usage.from_cache >= before - 4  # four were under way
        assert server.answered.total() <= 80 + 4


def test_two_processes_share_one_cache(tmp_path):
    with FakeServer(wait=0.01) as server:
        both = [client(server, tmp_path, 60) for _ in range(2)]
        assert [process.wait(60) for process in both] == [0, 0]
        for process in both:
            assert len(process.stdout.read().split()) == 60
            process.stdout.close()
        server.answered.clear()
        assert judge(server, tmp_path).judge(items(60))[0].cached
        assert not server.answered


def test_the_summary_counts_and_prices():
    with FakeServer() as server:
        asked = judge(server, price_in=2.0, price_out=10.0)
        asked.judge(items(5))
    told = asked.usage.summary(asked.options)
    assert told["cost"] == pytest.approx((500 * 2 + 100 * 10) / 1e6)
    assert told["answered"] == told["requests"] == 5 and "failed_because" not in told
    assert json.dumps(told)
