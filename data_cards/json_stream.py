"""Reading JSON of any size piece by piece, with the exact text of each record.

Text is decoded with ``surrogateescape``, so that bytes that are not UTF-8 spoil one record and
come out of a copy as they went in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from data_cards.counted import counted
from data_cards.errors import BadInputError
from data_cards.image_paths import kind_of

CHUNK = 1 << 20
"""Characters read at a time."""

MAX_RECORD = 256 << 20
"""Longest record, in characters; a string that never ends must not fill the memory."""

_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_SPACE = re.compile(r"[ \t\n\r]*")
_decode = json.JSONDecoder().raw_decode


class JsonRecord(NamedTuple):
    """One record of a file.

    Attributes:
        value: The parsed value; ``None`` where ``error`` is set.
        text: The exact text, without what stands between records.
        line: One-based line on which it begins.
        error: Why it could not be parsed (JSON Lines only).
    """

    value: Any
    text: str
    line: int
    error: str | None


class JsonStream:
    """A cursor over one JSON document in a file.

    Args:
        path: The file; a byte order mark is skipped.

    Raises:
        BadInputError: The file cannot be opened, or is UTF-16 or compressed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        refuse_foreign_encoding(path)
        self._file = path.open(encoding="utf-8", errors="surrogateescape", newline="")
        self.text = ""
        self.pos = 0
        self._dropped = 0  # characters before self.text
        self._eof = False
        self._line, self._line_start, self._counted = 1, 0, 0
        self.more()
        self._mark = 1 if self.text.startswith("\ufeff") else 0
        self.pos = self._mark

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @property
    def offset(self) -> int:
        """Characters of the file (byte order mark counted) before the cursor."""
        return self._dropped + self.pos

    def more(self) -> bool:
        """Read on, dropping what lies before the cursor; whether there was anything."""
        self.location()
        self._dropped += self.pos
        rest = self.text[self.pos :]
        # Doubling keeps the work linear when one record is longer than many chunks.
        added = self._file.read(max(CHUNK, len(rest)))
        self._eof = not added
        self.text, self.pos, self._counted = rest + added, 0, 0
        return bool(added)

    def location(self) -> tuple[int, int]:
        """One-based line and column of the cursor."""
        new = self.text.count("\n", self._counted, self.pos)
        if new:
            self._line += new
            self._line_start = self._dropped + self.text.rfind("\n", 0, self.pos) + 1
        self._counted = self.pos
        return self._line, self.offset - self._line_start + 1

    def peek(self) -> str:
        """Skip white space; the next character, ``""`` at the end."""
        while True:
            self.pos = _SPACE.match(self.text, self.pos).end()  # type: ignore[union-attr]
            if self.pos < len(self.text):
                return self.text[self.pos]
            if not self.more():
                return ""

    def take(self, wanted: str, what: str) -> str:
        """Skip white space and take one character out of ``wanted``.

        Raises:
            BadInputError: Another character stands there, or the file ends.
        """
        found = self.peek()
        if found == "" or found not in wanted:
            got = "the end of the file" if not found else f"{found!r}"
            self.fail(f"found {got} where {what} should be")
        self.pos += 1
        return found

    def value(self) -> tuple[Any, str]:
        """Parse the value at the cursor.

        Returns:
            The value and its exact text.

        Raises:
            BadInputError: It is not valid JSON, with line and column.
        """
        self.peek()
        while True:
            try:
                value, end = _decode(self.text, self.pos)
                # A number may go on in the next chunk; a bracket or a quote closes.
                if end < len(self.text) or self.text[end - 1] in '}]"' or not self.more():
                    text = self.text[self.pos : end] if end <= len(self.text) else ""
                    self.pos = end
                    return value, text
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated") or error.pos > len(self.text) - 16
                if cut and not self._eof and len(self.text) - self.pos < MAX_RECORD:
                    self.more()
                    continue
                if not error.msg.startswith("Unterminated"):
                    self.pos = min(error.pos, len(self.text))
                self.fail(error.msg)
            except (ValueError, RecursionError) as error:
                self.fail(str(error).split(";")[0])

    def fail(self, message: str) -> None:
        """Raise :class:`BadInputError` that names file, line and column of the cursor."""
        line, column = self.location()
        what = message.removesuffix(" at")
        raise BadInputError(
            f"{self.path}: broken JSON at line {line}, column {column}: {what}",
            "Repair the file there, or convert it to JSON Lines (one record a line), where a "
            "broken record costs only itself.",
        )


def iter_array(path: Path) -> Iterator[JsonRecord]:
    """Stream the elements of a file that is one JSON array.

    Raises:
        BadInputError: The array is broken; names file, line, column and the last good element.
    """
    stream = JsonStream(path)
    try:
        yield from iter_elements(stream)
        if stream.peek():
            stream.fail("there is more after the array's end")
    finally:
        stream.close()


def iter_elements(stream: JsonStream) -> Iterator[JsonRecord]:
    """Stream the elements of the array at the cursor; leaves the cursor after its ``]``."""
    count = 0
    try:
        stream.take("[", "'['")
        if stream.peek() == "]":
            stream.pos += 1
            return
        while True:
            stream.peek()
            line = stream.location()[0]
            value, text = stream.value()
            count += 1
            yield JsonRecord(value, text, line, not_unicode(text))
            if stream.take(",]", "',' or ']'") == "]":
                return
    except BadInputError as error:
        error.message += f" (after {counted(count, 'whole record')})"
        error.args = (f"{error.message}\n{error.remedy}",)
        raise


def iter_lines(path: Path) -> Iterator[JsonRecord]:
    """Stream the records of a JSON Lines file; a broken line is a record with an error."""
    refuse_foreign_encoding(path)
    with path.open("rb") as file:
        number = 0
        while raw := file.readline(MAX_RECORD):
            number += 1
            if number == 1 and raw.startswith(b"\xef\xbb\xbf"):
                raw = raw[3:]
            if not raw.strip():
                continue
            error = None
            if len(raw) == MAX_RECORD and not raw.endswith(b"\n"):
                error = f"the line is longer than {MAX_RECORD} bytes"
                while (rest := file.readline(MAX_RECORD)) and not rest.endswith(b"\n"):
                    continue
            text = raw.decode("utf-8", "surrogateescape")
            value = None
            if error is None:
                error = not_unicode(text)
            if error is None:
                try:
                    value = json.loads(text)
                except json.JSONDecodeError as broken:
                    column = min(broken.pos, len(text.rstrip())) + 1  # not behind the line's end
                    error = f"broken JSON at column {column}: {broken.msg.removesuffix(' at')}"
                except (ValueError, RecursionError) as broken:
                    error = f"broken JSON: {str(broken).split(';')[0]}"
            yield JsonRecord(value, text, number, error)


def is_array(path: Path) -> bool:
    """Whether the file holds one JSON array (rather than lines), by name and first character."""
    return path.suffix.lower() not in (".jsonl", ".ndjson") and first_character(path) == "["


def iter_records(path: Path) -> Iterator[JsonRecord]:
    """Stream the records of a JSON array or of JSON Lines, whichever the file is."""
    return iter_array(path) if is_array(path) else iter_lines(path)


def first_character(path: Path) -> str:
    """First character of the file that is neither white space nor a byte order mark."""
    with path.open("rb") as file:
        head = file.read(65536)
    return head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")[:1]


def not_unicode(text: str) -> str | None:
    """Why a text is not what it should be: it held bytes that are not UTF-8; else ``None``."""
    if text.isascii():
        return None
    found = _NOT_UTF8.search(text)
    if found is None:
        return None
    byte = ord(found.group()) - 0xDC00
    return f"not valid UTF-8 (byte 0x{byte:02x} at character {found.start() + 1})"


def refuse_foreign_encoding(path: Path) -> None:
    """Refuse UTF-16, UTF-32 and compressed files, naming the remedy.

    Raises:
        BadInputError: The file is one of these, or cannot be opened.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise BadInputError(f"cannot read {path}: {error.strerror}") from error
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise BadInputError(f"{path} is UTF-16 or UTF-32 text", "Convert it to UTF-8.")
    if head[:2] == b"\x1f\x8b" or head == b"\x28\xb5\x2f\xfd" or head[:3] == b"BZh":
        raise BadInputError(f"{path} is compressed", "Decompress it first.")


def not_an_object(value: Any) -> str | None:
    """Why a record is not usable as one; ``None`` where it is an object."""
    return None if isinstance(value, dict) else f"the record is {kind_of(value)}, not an object"
