# ruff: noqa: D102 (the methods of a format are documented once, in base.Format)
"""WebDataset: tars whose consecutive members with one key are one sample."""

from __future__ import annotations

import gzip
import itertools
import json
import re
import zlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from data_cards.columns import recognise_columns
from data_cards.counted import counted
from data_cards.errors import BadInputError, BadRowError
from data_cards.readers.base import Wanted, register_format
from data_cards.readers.imagefolder import IMAGE_SUFFIXES
from data_cards.readers.tar_groups import CAPTIONS, TEXTS, Group, iter_groups
from data_cards.readers.tar_members import BLOCK, Member, open_tar_bytes
from data_cards.records import record_reader
from data_cards.replacing import refuse_overwriting, replacing
from data_cards.sample import ImageRef

if TYPE_CHECKING:
    from data_cards.sample import Sample
    from data_cards.source import Source

MAX_MEMBER = 1 << 28
"""Largest member that is read, in bytes."""

_SUFFIXES = (".tar", ".tar.gz", ".tgz")
_CLASS = "cls"
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}|\{([^{}]*,[^{}]*)\}")
_MAX_SHARDS = 100_000


def shards(path: Path) -> list[Path]:
    """The tars that a path means: itself, those in a folder, or those of a brace pattern.

    Raises:
        BadInputError: A shard that the pattern names is missing.
    """
    if path.is_dir():
        return sorted(p for p in path.iterdir() if p.name.lower().endswith(_SUFFIXES))
    if path.exists() or not _BRACES.search(str(path)):
        return [path]
    found = [Path(text) for text in itertools.islice(expand_braces(str(path)), _MAX_SHARDS)]
    missing = next((p for p in found if not p.is_file()), None)
    if missing is not None:
        raise BadInputError(f"{path} names the shard {missing}, which is not there")
    return found


def expand_braces(pattern: str) -> Iterator[str]:
    """Expand ``{000..012}`` (leading zeros kept) and ``{a,b}``, as the shell does."""
    match = _BRACES.search(pattern)
    if match is None:
        yield pattern
        return
    if match[3] is not None:
        choices: Any = match[3].split(",")
    else:
        width = len(match[1]) if match[1].startswith("0") else 0
        choices = (f"{n:0{width}d}" for n in range(int(match[1]), int(match[2]) + 1))
    for choice in choices:
        yield from expand_braces(pattern[: match.start()] + choice + pattern[match.end() :])


@register_format
class WebDataset:
    """Images as bytes; the text from ``key.txt`` or from fields of ``key.json``."""

    name = "webdataset"
    summary = "tar, folder of tars or brace pattern; `key.jpg`, `key.txt`, `key.json`"

    def recognise(self, path: Path) -> str | None:
        if path.is_dir():
            count = len(shards(path))
            return f"a folder with {counted(count, 'tar file')}" if count else None
        if path.is_file():
            return "a tar file" if path.name.lower().endswith(_SUFFIXES) else None
        if _BRACES.search(str(path)) and path.name.lower().endswith(_SUFFIXES):
            return f"a brace pattern of {counted(len(shards(path)), 'tar file')}"
        return None

    def fields(self, source: Source) -> list[str]:
        found: dict[str, Any] = {}
        texts = {*TEXTS, _CLASS} if source.pictures else TEXTS
        for shard in shards(source.file)[:1]:
            with _opened(shard) as file:
                for group in itertools.islice(iter_groups(file, texts), 100):
                    try:
                        found |= _record(file, group, texts)[0]
                    except BadRowError:
                        continue
                    if not source.pictures:  # not every picture need have a class
                        return list(found)
        return list(found)

    def columns(self, fields: Sequence[str]) -> dict[str, str]:
        found = recognise_columns(fields)
        if "conversations" not in found:
            found["response"] = "|".join(dict.fromkeys(["txt", found.get("response", "txt")]))
        found.pop("images", None)
        return {**found, "id": "__key__"}

    def read(self, source: Source) -> Iterator[Sample]:
        columns = {**source.columns, "images": ""}
        reader = record_reader(source.with_images(None), columns)
        texts = _texts(source)
        row = 0
        for shard in shards(source.file):
            with _opened(shard) as file:
                for group in iter_groups(file, texts):
                    where = f"{shard.name}:{group.key}"
                    try:
                        record, images = _record(file, group, texts)
                        yield reader.sample(record, row, where, images, group.key)
                    except BadRowError as error:
                        yield reader.bad(row, where, error.reason)
                    row += 1

    def copy_rows(
        self, source: Source, rows: Sequence[int], out_dir: Path, copy_images: bool
    ) -> list[Path]:
        wanted = Wanted(rows, source.path)
        tars, texts = shards(source.file), _texts(source)
        written, row = [], 0
        for shard in tars:
            with _opened(shard) as file:
                chosen = []
                for group in iter_groups(file, texts):
                    if row in wanted:
                        chosen.append(group)
                    row += 1
                if chosen or len(tars) == 1:
                    target = out_dir / shard.name
                    refuse_overwriting(target, tars)
                    _write_tar(file, chosen, target)
                    written.append(target)
        wanted.check(row)
        return written

    def files(self, source: Source) -> list[Path]:
        return shards(source.file)

    def count_hint(self, source: Source) -> int | None:
        tars = shards(source.file)
        if sum(tar.stat().st_size for tar in tars) > 1 << 28:
            return None
        count = 0
        for shard in tars:
            with _opened(shard) as file:
                count += sum(1 for _ in iter_groups(file, _texts(source)))
        return count


def _opened(shard: Path) -> IO[bytes]:
    try:
        return open_tar_bytes(shard)
    except OSError as error:
        raise BadInputError(f"cannot read {shard}: {error.strerror}") from error


def _texts(source: Source) -> frozenset[str]:
    """Kinds of members that are read beside the images: of pictures only those with a class."""
    if not source.pictures:
        return TEXTS
    fields = (source.columns.get(noun, "") for noun in ("id", "label", "source"))
    names = {name for field in fields for name in field.split("|")}
    kinds = names & {_CLASS}
    if "txt" in names:
        kinds |= {*CAPTIONS}
    if names - {"", "txt", "__key__", _CLASS}:
        kinds |= {"json"}
    return frozenset(kinds)


def _record(
    file: IO[bytes], group: Group, texts: Collection[str]
) -> tuple[dict[str, Any], tuple[ImageRef, ...]]:
    """Read a group's members: the record (``__key__``, ``txt``, fields of the JSON), the images.

    The class of a picture is the record's ``cls``.
    """
    if group.damage is not None:
        raise BadRowError(group.damage)
    record: dict[str, Any] = {"__key__": group.key}
    images: list[tuple[str, ImageRef]] = []
    for extension, member in group.members:
        kind = extension.rpartition(".")[2].lower()
        if "." + kind in IMAGE_SUFFIXES:
            images.append((extension, ImageRef(member.name, data=_content(file, member))))
        elif kind not in texts:
            continue
        elif kind == "json":
            record = {**_fields(file, member), **record}
        else:
            name = _CLASS if kind == _CLASS else "txt"
            try:
                record[name] = _content(file, member).decode("utf-8-sig").strip()
            except UnicodeDecodeError as error:
                raise BadRowError(
                    f"{member.name} is not valid UTF-8 (at byte {error.start})"
                ) from None
    if not images and not any(isinstance(value, list) for value in record.values()):
        raise BadRowError("no image member")
    return record, tuple(ref for _, ref in sorted(images, key=lambda pair: pair[0]))


def _fields(file: IO[bytes], member: Member) -> dict[str, Any]:
    try:
        value = json.loads(_content(file, member).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BadRowError(f"{member.name} is broken JSON: {str(error).split(';')[0]}") from None
    if not isinstance(value, dict):
        raise BadRowError(f"{member.name} is not a JSON object")
    return value


def _content(file: IO[bytes], member: Member) -> bytes:
    if member.size > MAX_MEMBER:
        raise BadRowError(f"{member.name} is larger than {MAX_MEMBER} bytes")
    try:
        file.seek(member.data)
        data = file.read(member.size)
    except (OSError, EOFError, zlib.error):
        data = b""
    if len(data) < member.size:
        raise BadRowError(f"{member.name} is cut short (the tar file is truncated)")
    return data


def _write_tar(file: IO[bytes], groups: list[Group], target: Path) -> None:
    with replacing(target) as raw:
        compressed = target.suffix.lower() in (".gz", ".tgz")
        out = gzip.GzipFile("", "wb", fileobj=raw, mtime=0) if compressed else raw
        for group in groups:
            for _, member in group.members:
                file.seek(member.start)
                left = member.end - member.start
                while left and (piece := file.read(min(left, 1 << 20))):
                    out.write(piece)
                    left -= len(piece)
        out.write(bytes(2 * BLOCK))
        if compressed:
            out.close()
