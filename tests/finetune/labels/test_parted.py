"""Who does which training: every task once, nobody waits long for another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from finetune.labels.outcomes import MEASURING, Task, parted


def task(number: int, steps: int) -> Task:
    return Task((f"s{number}",), 0, steps)


@given(st.lists(st.integers(0, 300), max_size=40), st.integers(1, 6))
def test_every_task_once_and_in_order(steps: list[int], workers: int) -> None:
    tasks = [task(number, count) for number, count in enumerate(steps)]
    shares = parted(tasks, workers)
    assert len(shares) == workers
    assert sorted(t.ids for share in shares for t in share) == sorted(t.ids for t in tasks)
    for share in shares:
        assert share == [t for t in tasks if t in share]
    assert shares == parted(tasks, workers)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=40), st.integers(1, 6))
def test_nobody_has_more_than_the_longest_beyond_his_part(steps: list[int], workers: int) -> None:
    """Graham 1969: whoever gets a task last had least before it."""
    shares = parted([task(number, count) for number, count in enumerate(steps)], workers)
    loads = [sum(t.steps + MEASURING for t in share) for share in shares]
    assert max(loads) - min(loads) <= max(steps) + MEASURING


def test_one_long_task_stands_alone() -> None:
    """A pass over the whole pool, and ten others: two workers end together."""
    shares = parted([*(task(number, 25) for number in range(8)), task(8, 235)], 2)
    assert [len(share) for share in shares] == [1, 8]
