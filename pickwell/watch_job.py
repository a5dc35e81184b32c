"""``watch``: events wake it, looking tells it, the ledger remembers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pickwell.watching.watcher import Tally

log = logging.getLogger(__name__)


def watch(
    folder: str | Path,
    out: str | Path,
    *,
    like: str | Path,
    chosen: str | Path | None = None,
    images: Path | None = None,
    format: str | None = None,
    cache: Path | None = None,
    settle: float = 2.0,
    poll: float = 10.0,
    once: bool = False,
    retry: bool = False,
    stop: threading.Event | None = None,
    told: Callable[[dict[str, Any]], None] = lambda entry: None,
) -> Tally:
    """Score data as it lands in a folder, each content once.

    Args:
        folder: Where files land; what lies there already is done first.
        out: Gets ``<stem>-<12 hex of content>/``, a run for each content, and ``ledger.jsonl``.
        like: As for ``score --like``.
        chosen: As for ``score --chosen``.
        images: As for ``score --images``.
        format: As for ``score --format``.
        cache: As for ``score --cache``.
        settle: Seconds that a file must have stood still.
        poll: Seconds after which the folder is looked at without an event.
        once: End when nothing is left to do.
        retry: Try files again that failed before.
        stop: Ends it after the file in hand.
        told: Called with every entry of the ledger.

    Raises:
        BadInputError: If folder, reference or ``out`` cannot be used, or another one watches.
    """
    from pickwell.like_job import open_like
    from pickwell.watching.lock import only_one
    from pickwell.watching.watcher import Watcher

    folder, out, stop = Path(folder), Path(out), stop or threading.Event()
    given: dict[str, Any] = {"like": Path(like), "images": images, "format": format}
    given |= {"chosen": None if chosen is None else Path(chosen), "cache": cache}
    given = {name: value for name, value in given.items() if value is not None}
    opened = open_like(Path(like), given.get("chosen"), cache=cache)
    _ = opened.models_and_metrics  # what is not installed is told of before the first file
    wake = threading.Event()
    with only_one(out):
        watcher = Watcher(folder, out, opened, given, settle=settle, retry=retry, told=told)
        listener = None
        if not once:
            ended = threading.Event()
            listener = threading.Thread(target=_listen, args=(folder, wake, ended), daemon=True)
            listener.start()
        try:
            watcher.run(stop, wake, poll, once)
        finally:
            if listener is not None:
                ended.set()
                listener.join(2)
    return watcher.tally


def _listen(folder: Path, wake: threading.Event, ended: threading.Event) -> None:
    """Wake the watcher at every event; where there are none to be had, it looks by the clock."""
    from watchfiles import watch as changes

    try:
        for _ in changes(
            folder,
            watch_filter=None,
            debounce=400,
            rust_timeout=500,
            stop_event=ended,
            recursive=False,
            raise_interrupt=False,
        ):
            wake.set()
    except (OSError, RuntimeError) as error:
        log.warning("no events of %s (%s): it is looked at by the clock", folder, error)
