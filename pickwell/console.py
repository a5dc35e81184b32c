"""What the person at the terminal sees: messages and progress on stderr, quiet in a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

_UNSEEN = {
    code: "\ufffd"
    for code in (*range(32), *range(127, 160), *range(0xD800, 0xE000))
    if chr(code) not in "\n\t"
}
"""Control characters and lone surrogates: no escape sequence of a caption reaches the terminal."""


class _Terminal(Console):
    """Shows control characters of printed text as a mark; styles are written by rich after this."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(segment.text.translate(_UNSEEN), segment.style)


out = _Terminal(highlight=False, emoji=False)
"""Results: stdout."""

err = _Terminal(stderr=True, highlight=False, emoji=False)
"""Everything else: stderr."""


def problem(message: str, remedy: str = "") -> None:
    """Print what went wrong and what to do about it; text from data is never taken as markup."""
    err.print("Error:", style="bold red", end=" ")
    err.print(message, markup=False, soft_wrap=True)
    if remedy:
        err.print(remedy, markup=False, soft_wrap=True)


SPEED_PERIOD = 600.0
"""Seconds that a rate is taken over; a training may take a minute."""


def _rate(speed: float | None) -> str:
    """``12.3/s``, or ``45 s each`` where one takes longer than ten seconds."""
    if not speed:
        return ""
    return f"{speed:,.1f}/s" if speed >= 0.1 else f"{1 / speed:,.0f} s each"


@contextmanager
def progress() -> Iterator[Callable[[str, int, int | None], None]]:
    """A display with rate and time left, as a callback ``(stage, done, total)``.

    Shown only where stderr is a terminal.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(_rate(speed), style="progress.data.speed")

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
        speed_estimate_period=SPEED_PERIOD,
        console=err,
        disable=not err.is_terminal,
    ) as display:
        tasks: dict[str, object] = {}

        def update(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                for task in display.tasks:  # one that never knew its total: no more pulsing
                    if task.total is None:
                        display.update(task.id, total=task.completed)
                tasks[stage] = display.add_task(stage, total=total)
            display.update(tasks[stage], completed=done, total=total)  # type: ignore[arg-type]

        yield update
