"""Looks again and again, and scores what has settled, each content once."""

from __future__ import annotations

import errno
import json
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_cards.errors import BadInputError
from pickwell.like_job import Opened, score_like
from pickwell.watching.landing import Landed, content_of, is_data, landed, signature_of, stem_of
from pickwell.watching.ledger import Ledger

Told = Callable[[dict[str, Any]], None]
_PATIENCE = 20
"""Changes of one file that ``once`` waits for."""
_READING = ("format", "images")
"""Options that decide whether a file can be read."""
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
"""What is no file's fault."""


@dataclass
class Tally:
    """What a watcher has done.

    Attributes:
        scored: Files.
        same: Files whose content was there before, under another name or as it failed.
        failed: Files that could not be scored.
        earlier: Files that an earlier watch has done, and that have not changed since.
        given_up: Files that failed on an earlier watch, and were not tried again.
    """

    scored: int = 0
    same: int = 0
    failed: int = 0
    earlier: int = 0
    given_up: int = 0

    def __str__(self) -> str:
        """In words; what is usual not to be there is told where it is."""
        parts = [f"{self.scored:,} scored", f"{self.failed:,} failed"]
        for count, words in (
            (self.same, "with a content that was there before"),
            (self.earlier, "done on an earlier watch"),
            (self.given_up, "failed on an earlier watch and did not change (--retry tries again)"),
        ):
            if count:
                parts.append(f"{count:,} {words}")
        return ", ".join(parts)


@dataclass(frozen=True)
class _Steady:
    signature: str
    since: float
    changes: int


class Watcher:
    """Scores what lands in one folder into another.

    Args:
        folder: Where files land.
        out: Where the runs go, and the ledger.
        opened: What they are scored like.
        given: Options of ``score``, ``like`` among them.
        settle: Seconds that size and times of a file must have stood still.
        retry: Try files again that failed before.
        told: Called with every entry of the ledger.

    Raises:
        BadInputError: If ``out`` lies in ``folder``, or was made like something else.
    """

    def __init__(
        self,
        folder: Path,
        out: Path,
        opened: Opened,
        given: dict[str, Any],
        *,
        settle: float = 2.0,
        retry: bool = False,
        told: Told = lambda entry: None,
    ) -> None:
        if not folder.is_dir():
            raise BadInputError(f"{folder} is no folder.", "Name the folder where files land.")
        if folder.resolve() in (out.resolve(), *out.resolve().parents):
            raise BadInputError(
                f"{out} lies in {folder}: the runs would be taken for new data.",
                "Name an --out elsewhere.",
            )
        self.folder, self.out, self.settle = folder, out, settle
        self.opened, self.given, self.told = opened, given, told
        self.tally = Tally()
        self.ledger = Ledger(out)
        picked = opened.picked
        self.ledger.belongs_to(
            str(opened.reference.run.folder.resolve()),
            opened.digest,
            None if picked is None else str(picked.folder.resolve()),
        )
        if retry:
            self.ledger.forget_failures()
        self._reading = {name: str(given[name]) for name in _READING if name in given}
        self._steady: dict[str, _Steady] = {}
        self._no_data: set[tuple[str, str]] = set()
        self._counted: set[tuple[str, str]] = set()

    def run(self, stop: threading.Event, wake: threading.Event, poll: float, once: bool) -> None:
        """Look until ``stop`` is set, or, ``once``, until nothing is left to do.

        Args:
            stop: Ends it after the file in hand.
            wake: Set by whoever sees that something has changed.
            poll: Seconds after which it looks anyway.
            once: End when everything that lies there is done.
        """
        while not stop.is_set():
            wake.clear()
            waiting = self.look(stop, patient=not once)
            if once and not waiting:
                return
            wake.wait(max(0.05, self.settle / 4) if waiting else poll)

    def look(self, stop: threading.Event, patient: bool = True) -> bool:
        """Score what has settled.

        Returns:
            Whether there is something that has not.
        """
        waiting = False
        for file in landed(self.folder):
            if stop.is_set():
                break
            if self._is_nothing(file):
                continue
            now, before = time.monotonic(), self._steady.get(file.name)
            if before is None or before.signature != file.signature:
                changes = 0 if before is None else before.changes + 1
                self._steady[file.name] = _Steady(file.signature, now, changes)
                waiting |= patient or changes < _PATIENCE
            elif now - before.since < self.settle:
                waiting |= patient or before.changes < _PATIENCE
            else:
                waiting |= not self._take(file)
        return waiting

    def _is_nothing(self, file: Landed) -> bool:
        key = (file.name, file.signature)
        if key in self._no_data:
            return True
        if self.ledger.knows(*key, self._reading):
            self._count_earlier(key)
            return True
        # Files are asked as soon as they are seen: an unfinished one is seen again when it grows.
        if not is_data(file.path, stated="format" in self._reading):
            self._no_data.add(key)
            return True
        return False

    def _count_earlier(self, key: tuple[str, str]) -> None:
        """Count a file, once, that this watch found done."""
        if key in self._counted:
            return
        self._counted.add(key)
        if self.ledger.has_done(*key):
            self.tally.earlier += 1
        else:
            self.tally.given_up += 1

    def _take(self, file: Landed) -> bool:
        """Score a file, and say so in the ledger; ``False``: it changed meanwhile."""
        self._require_same_reference()
        entry: dict[str, Any] = {"name": file.name, "signature": file.signature, "sha256": None}
        started = time.perf_counter()
        try:
            entry["sha256"] = content = content_of(file.path)
            entry |= self._known(file, content) or self._score(file, content)
        except BadInputError as error:
            entry |= {"outcome": "failed", "error": error.message, "remedy": error.remedy}
        except OSError as error:
            if error.errno in _OF_THE_DISK:
                raise
            reason = error.strerror or str(error) or type(error).__name__
            entry |= {
                "outcome": "failed",
                "error": f"{error.filename or file.path} cannot be read: {reason}.",
                "remedy": "Check that it is whole, and who may read it.",
            }
        except Exception as error:  # one file must not end the watch
            entry |= {
                "outcome": "failed",
                "error": f"pickwell failed on {file.path}: {type(error).__name__}: {error}",
                "remedy": "Look at the file; if it is sound, report this.",
            }
        if signature_of(file.path) != file.signature:
            self._drop_run(entry, file)
            self._steady.pop(file.name, None)
            return False
        if "error" in entry and self._reading:
            entry["options"] = self._reading
        entry.setdefault("seconds", round(time.perf_counter() - started, 2))
        self.ledger.append(entry)
        self._counted.add((file.name, file.signature))
        outcome = entry["outcome"]
        setattr(self.tally, outcome, getattr(self.tally, outcome) + 1)
        self.told(entry)
        return True

    def _known(self, file: Landed, content: str) -> dict[str, Any] | None:
        """What to write of a content that was met before."""
        before = self.ledger.scored(content)
        if before is not None:
            return {"outcome": "same", "same_as": before["name"], "run": before["run"]}
        before = self.ledger.failed(file.name, content, self._reading)
        if before is not None:
            return {"outcome": "same", "same_as": file.name, "error": before["error"]}
        # Killed after the run was complete and before the ledger said so.
        for manifest in sorted(self.out.glob(f"*-{content[:12]}/run.json")):
            facts = json.loads(manifest.read_text("utf-8"))
            if facts.get("reference", {}).get("run_sha256") == self.opened.digest:
                return self._result(manifest.parent, facts)
        return None

    def _score(self, file: Landed, content: str) -> dict[str, Any]:
        run_folder = self.out / f"{stem_of(file.name)}-{content[:12]}"
        try:
            run = score_like(file.path, run_folder, self.given, opened=self.opened)
        except BaseException:
            if not (run_folder / "run.json").exists():
                shutil.rmtree(run_folder, ignore_errors=True)  # what was computed is in the store
            raise
        return self._result(run_folder, run.manifest)

    def _result(self, run_folder: Path, manifest: dict[str, Any]) -> dict[str, Any]:
        return {
            "outcome": "scored",
            "rows": manifest["rows"],
            "bad": manifest["status"].get("bad", 0),
            "seconds": manifest["seconds"],
            "drifted": manifest["reference"].get("drifted", []),
            "drift_tested": manifest["reference"].get("drift_tested", True),
            "run": run_folder.name,
        }

    def _drop_run(self, entry: dict[str, Any], file: Landed) -> None:
        if entry.get("outcome") == "scored":
            shutil.rmtree(self.out / entry["run"], ignore_errors=True)

    def _require_same_reference(self) -> None:
        from scoring.reference.base import run_digest

        folder = self.opened.reference.run.folder
        if not (folder / "run.json").is_file() or run_digest(folder) != self.opened.digest:
            raise BadInputError(
                f"{folder} was scored again, or is gone: the files cannot be scored like it.",
                "Start a new watch with another --out.",
            )
