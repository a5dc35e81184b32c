"""What the tests of the judge over HTTP ask, and what is right."""

from pathlib import Path

from scoring.judge.base import JudgeItem, JudgeOptions
from scoring.judge.rubrics import question
from scoring.judge.spec import judge_from_spec
from tests.scoring.judge.fake_server import ASPECTS, FakeServer, ratings_of

QUICK = {"backoff": 0.01, "timeout": 30, "attempts": 12, "in_flight": 8}


def items(count: int, start: int = 0) -> list[JudgeItem]:
    return [JudgeItem(f"What is number {n}?", f"It is {n}.") for n in range(start, start + count)]


def prompt(item: JudgeItem, **options) -> str:
    return "\n\n".join(question(item, JudgeOptions(**options)))


def judge(server: FakeServer, cache: Path | None = None, **options):
    return judge_from_spec(server.spec, JudgeOptions(**QUICK | options), cache)


def right(item: JudgeItem) -> dict[str, float]:
    return dict(zip(ASPECTS, map(float, ratings_of(prompt(item))), strict=True))
