"""Members of a tar file with their exact byte ranges, going on after damage."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO, NamedTuple, cast

from data_cards.errors import BadInputError

BLOCK = 512


class Member(NamedTuple):
    """One regular file in a tar, or a damaged place.

    Attributes:
        name: Member name; ``""`` for a damaged place.
        start: First byte of its header (extended headers before it included).
        data: First byte of its content.
        size: Bytes of content.
        damage: What is wrong at ``start``, else ``None``.
    """

    name: str
    start: int
    data: int
    size: int
    damage: str | None = None

    @property
    def end(self) -> int:
        """First byte after the content and its padding."""
        return self.data + -(-self.size // BLOCK) * BLOCK


def open_tar_bytes(path: Path) -> IO[bytes]:
    """Open the bytes of a tar, decompressed if its name ends in ``gz``."""
    compressed = path.suffix.lower() in (".gz", ".tgz")
    return cast("IO[bytes]", gzip.open(path, "rb") if compressed else path.open("rb"))


def iter_members(file: IO[bytes]) -> Iterator[Member]:
    """Stream the regular files of a tar; a damaged header is a member with ``damage``.

    ``tarfile`` stops at a damaged header as if the archive ended there. Here the next whole
    header is looked for and reading goes on.

    Raises:
        BadInputError: The bytes themselves cannot be had: no gzip, a truncated or damaged one, or
            the disk fails. What stands before that was handed out.
    """
    try:
        yield from _members(file)
    except (OSError, EOFError, zlib.error) as error:
        said = " ".join(str(error).split())[:120] or type(error).__name__
        if not isinstance(file, gzip.GzipFile):
            raise BadInputError(
                f"{file.name} cannot be read: {said}", "Check the disk, or copy the file again."
            ) from error
        raise BadInputError(
            f"{file.name} is no whole gzip file: {said}",
            "Download or pack it again; a tar that is not compressed is to be named .tar.",
        ) from error


def _members(file: IO[bytes]) -> Iterator[Member]:
    start: int | None = 0
    while start is not None:
        stopped = yield from _run(file, start)
        file.seek(stopped)
        block = file.read(BLOCK)
        if not block or (len(block) == BLOCK and not any(block)):
            return
        start = _next_header(file, stopped + BLOCK)
        end = "the rest is lost" if start is None else f"{start - stopped} bytes are lost"
        yield Member("", stopped, stopped, 0, f"damaged tar header at byte {stopped}; {end}")


def _run(file: IO[bytes], start: int) -> Generator[Member, None, int]:
    """Yield members from ``start`` on; return the byte at which no further header was found."""
    file.seek(start)
    try:
        tar = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115 (owns nothing)
    except (tarfile.TarError, EOFError, OSError):
        return start
    while True:
        try:
            info = tar.next()
        except (tarfile.TarError, EOFError, OSError):
            # Content cut short: its member was handed out and is found short when read.
            file.seek(0, 2)
            return max(file.tell(), tar.offset)
        if info is None:
            return tar.offset
        tar.members.clear()  # type: ignore[attr-defined]  # tarfile keeps every header it saw
        if info.isreg() and not info.issparse():
            yield Member(info.name, info.offset, info.offset_data, info.size)


def _next_header(file: IO[bytes], position: int) -> int | None:
    file.seek(position)
    while len(block := file.read(BLOCK)) == BLOCK:
        if block[257:262] == b"ustar":
            try:
                tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
                return position
            except tarfile.TarError:
                pass
        position += BLOCK
    return None
