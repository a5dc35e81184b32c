"""What was done with every file: JSON lines, only ever appended."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data_cards.errors import BadInputError

LEDGER = "ledger.jsonl"
Options = Mapping[str, Any]
_NONE: Options = {}


class Ledger:
    """The ledger of a folder of runs.

    An entry is one write of one line, flushed to disk. What a power cut or a full disk has left of
    a last line is closed by a line break and passed over.

    A file that failed is known only under the options that it was read with then.

    Args:
        folder: Where the runs lie.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LEDGER
        self.opened: dict[str, Any] | None = None
        self._done: set[tuple[str, str]] = set()
        self._scored: dict[str, dict[str, Any]] = {}
        self._given_up: set[tuple[str, str, str]] = set()
        self._failed: dict[tuple[str, str, str], dict[str, Any]] = {}
        data = self.path.read_bytes() if self.path.exists() else b""
        for line in data.split(b"\n"):
            entry = _parsed(line)
            if entry is not None:
                self._note(entry)
        self._torn = bool(data) and not data.endswith(b"\n")

    def belongs_to(self, like: str, run_sha256: str, chosen: str | None) -> None:
        """State what the runs are scored like, in the first entry.

        Raises:
            BadInputError: If they were scored like something else before.
        """
        mine = {"like": like, "run_sha256": run_sha256, "chosen": chosen}
        if self.opened is None:
            self.append({"outcome": "opened", **mine})
        elif any(self.opened.get(name) != value for name, value in mine.items()):
            raise BadInputError(
                f"The runs in {self.path.parent} were scored like {self.opened.get('like')}, as it "
                "was then: other numbers would stand beside them.",
                "Name another --out.",
            )

    def knows(self, name: str, signature: str, options: Options = _NONE) -> bool:
        """Whether nothing need be done about a file as it is, read with these options."""
        return self.has_done(name, signature) or (
            (name, signature, _text(options)) in self._given_up
        )

    def has_done(self, name: str, signature: str) -> bool:
        """Whether a file as it is was scored, or its content was."""
        return (name, signature) in self._done

    def scored(self, content: str) -> dict[str, Any] | None:
        """The entry of the run of a content."""
        return self._scored.get(content)

    def failed(self, name: str, content: str, options: Options = _NONE) -> dict[str, Any] | None:
        """The entry that says why a content could not be scored, under this name and options."""
        return self._failed.get((name, content, _text(options)))

    def forget_failures(self) -> None:
        """Know of no file that failed, so that each is tried again."""
        self._given_up.clear()
        self._failed.clear()

    def append(self, entry: dict[str, Any]) -> None:
        """Write an entry; one that is not written whole does not count.

        Raises:
            OSError: If it is not, because the disk is full for example.
        """
        entry = {"at": datetime.now(UTC).isoformat(timespec="seconds"), **entry}
        line = json.dumps(entry, ensure_ascii=True).encode() + b"\n"
        line = b"\n" + line if self._torn else line
        self._torn = True  # until it is known to be whole
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            if os.write(handle, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            os.fsync(handle)
        finally:
            os.close(handle)
        self._torn = False
        self._note(entry)

    def _note(self, entry: dict[str, Any]) -> None:
        outcome, name, content = (entry.get(key) for key in ("outcome", "name", "sha256"))
        if outcome == "opened":
            self.opened = self.opened or entry
            return
        signature, options = str(entry.get("signature")), _text(entry.get("options") or _NONE)
        if outcome == "failed" or "error" in entry:
            self._given_up.add((str(name), signature, options))
        else:
            self._done.add((str(name), signature))
        if outcome == "scored":
            self._scored[str(content)] = entry
        elif outcome == "failed" and content is not None:
            self._failed[str(name), str(content), options] = entry


def _text(options: Options) -> str:
    return json.dumps(dict(options), sort_keys=True)


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and "outcome" in entry else None
