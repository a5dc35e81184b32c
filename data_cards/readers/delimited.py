"""CSV and TSV with a header line; records are kept as the exact text that they came in."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from data_cards.columns import recognise_columns, recognise_label
from data_cards.counted import counted
from data_cards.errors import BadInputError
from data_cards.json_stream import not_unicode, refuse_foreign_encoding
from data_cards.readers.base import Wanted, count_lines, register_format
from data_cards.readers.image_copies import copy_images_of
from data_cards.records import record_reader
from data_cards.replacing import refuse_overwriting, replacing

if TYPE_CHECKING:
    from data_cards.sample import Sample
    from data_cards.source import Source

MAX_FIELD = 1 << 26
"""Longest field, in characters (Python's own limit is 131,072)."""

_MAX_RECORD_LINES = 100_000


class DelimitedRecord(NamedTuple):
    """One record: its fields, its exact text with line end, its line, why it is broken."""

    fields: list[str]
    text: str
    line: int
    error: str | None


class _Lines:
    """Lines of a file, with a record of what was taken, and a way to put it back."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._returned: deque[str] = deque()
        self.taken: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if len(self.taken) >= _MAX_RECORD_LINES:
            raise csv.Error(f"a quoted field spans more than {_MAX_RECORD_LINES} lines")
        line = self._returned.popleft() if self._returned else next(self._lines)
        self.taken.append(line)
        return line

    def put_back_all_but_first(self) -> None:
        self._returned.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]


def iter_delimited(path: Path, delimiter: str) -> Iterator[DelimitedRecord]:
    """Stream records, the header first; blank lines are no records.

    Where quotes do not match, the line on which the record begins is broken and reading goes on
    with the next line, so that one stray quote does not swallow the rest of the file.
    """
    refuse_foreign_encoding(path)
    csv.field_size_limit(max(csv.field_size_limit(), MAX_FIELD))
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        lines = _Lines(iter(file))
        number, first = 1, True
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        while True:
            error: str | None = None
            fields: list[str] = []
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as broken:
                error = f"broken quoting: {broken}"
                lines.put_back_all_but_first()
                reader = csv.reader(lines, delimiter=delimiter, strict=True)
            text, used = "".join(lines.taken), len(lines.taken)
            lines.taken = []
            if first and fields:
                fields[0] = fields[0].removeprefix("\ufeff")
                if text.startswith('\ufeff"'):  # the mark hid the quote from the parser
                    fields = next(csv.reader([text[1:]], delimiter=delimiter))
            if fields or error:
                yield DelimitedRecord(fields, text, number, error or not_unicode(text))
                first = False
            number += used


def guess_delimiter(path: Path) -> str:
    """Tab for ``.tsv``; else the one of comma, semicolon, tab and bar that cuts the header most."""
    if path.suffix.lower() in (".tsv", ".tab"):
        return "\t"
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        header = file.readline(1 << 20)
    return max(",;\t|", key=lambda mark: (header.count(mark), mark == ","))


class _Delimited:
    name: ClassVar[str]
    summary: ClassVar[str]
    _suffixes: ClassVar[tuple[str, ...]]

    def recognise(self, path: Path) -> str | None:
        if not path.is_file() or path.suffix.lower() not in self._suffixes:
            return None
        header = _header(path)
        return f"a table of text with the header {', '.join(header[:8])}" if header else None

    def fields(self, source: Source) -> list[str]:
        header = _header(source.file)
        twice = {name for name in header if header.count(name) > 1}
        used = set(recognise_columns(header).values())
        if source.pictures:
            used.add(recognise_label(header) or "")
        if twice & used:
            raise BadInputError(
                f"{source.file}: two columns are called {sorted(twice)[0]!r}", "Rename one of them."
            )
        return header

    def columns(self, fields: Sequence[str]) -> dict[str, str]:
        return recognise_columns(fields)

    def read(self, source: Source) -> Iterator[Sample]:
        reader = record_reader(source)
        records = iter_delimited(source.file, guess_delimiter(source.file))
        header = next(records, DelimitedRecord([], "", 1, None)).fields
        for row, record in enumerate(records):
            where = f"{source.file.name}:{record.line}"
            error = record.error
            if error is None and len(record.fields) != len(header):
                error = f"{counted(len(record.fields), 'field')}, but the header has {len(header)}"
            if error is not None:
                yield reader.bad(row, where, error)
            else:
                yield reader.sample(dict(zip(header, record.fields, strict=True)), row, where)

    def copy_rows(
        self, source: Source, rows: Sequence[int], out_dir: Path, copy_images: bool
    ) -> list[Path]:
        target = out_dir / source.file.name
        refuse_overwriting(target, [source.file])
        wanted = Wanted(rows, source.path)
        records = iter_delimited(source.file, guess_delimiter(source.file))
        with replacing(target, "w") as out:
            header = next(records, None)
            if header is not None:
                out.write(header.text)
                ending = "\r\n" if header.text.endswith("\r\n") else "\n"
            count = 0
            for row, record in enumerate(records):
                count = row + 1
                if row in wanted:
                    out.write(record.text)
                    if not record.text.endswith(("\n", "\r")):
                        out.write(ending)
                if row >= wanted.last:
                    break
            wanted.check(count)
        images = copy_images_of(source, rows, out_dir, bare="images") if copy_images else []
        return [target, *images]

    def files(self, source: Source) -> list[Path]:
        return [source.file]

    def count_hint(self, source: Source) -> int | None:
        # Line breaks inside quotes make this a little too large; it is a hint.
        lines = count_lines(source.file)
        return None if lines is None else max(lines - 1, 0)


def _header(path: Path) -> list[str]:
    record = next(iter_delimited(path, guess_delimiter(path)), None)
    return [] if record is None or record.error else record.fields


@register_format
class Csv(_Delimited):
    """Comma-separated (or semicolon, tab, bar: as the header shows)."""

    name = "csv"
    summary = "text table with a header; comma, semicolon, tab or bar"
    _suffixes = (".csv",)


@register_format
class Tsv(_Delimited):
    """Tab-separated."""

    name = "tsv"
    summary = "text table with a header, tab-separated"
    _suffixes = (".tsv", ".tab")
