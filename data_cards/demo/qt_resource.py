"""Qt's binary resource files (.rcc), read with the standard library.

The layout is that of Qt's ``rcc`` tool: a header with the offsets of tree, data and names; tree
nodes of 14 bytes (22 from version 2 on), names as length, hash and UTF-16.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

MAGIC = b"qres"
COMPRESSED_ZLIB, DIRECTORY, COMPRESSED_ZSTD = 1, 2, 4
MEMBER_LIMIT = 64 * 2**20
"""No member may be larger than this when decompressed, in bytes."""


def _decompress(flags: int, raw: bytes) -> bytes | None:
    """The member's bytes; ``None`` where it cannot be read here or is too large."""
    if flags & COMPRESSED_ZSTD:
        return None
    if not flags & COMPRESSED_ZLIB:
        return raw
    decoder = zlib.decompressobj()
    # The first four bytes are the size that Qt expects.
    out = decoder.decompress(raw[4:], MEMBER_LIMIT)
    return None if decoder.unconsumed_tail else out


def iter_members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names (with a leading slash) and contents of all readable files, sorted by name.

    Raises:
        ValueError: If the file is not a Qt resource, or is damaged.
    """
    blob = path.read_bytes()
    if blob[:4] != MAGIC or len(blob) < 20:
        raise ValueError(f"{path} is not a Qt resource file")
    version, tree, data, names = struct.unpack(">IIII", blob[4:20])
    size = 22 if version >= 2 else 14

    def name(offset: int) -> str:
        (length,) = struct.unpack_from(">H", blob, names + offset)
        start = names + offset + 6
        return blob[start : start + 2 * length].decode("utf-16-be")

    found: list[tuple[str, int, int]] = []
    waiting, visited = [(0, "")], set()
    try:
        while waiting:
            index, prefix = waiting.pop()
            if index in visited:
                raise ValueError(f"{path} is a damaged Qt resource file")
            visited.add(index)
            name_offset, flags = struct.unpack_from(">IH", blob, tree + index * size)
            full = f"{prefix}/{name(name_offset)}" if index else prefix
            first, second = struct.unpack_from(">II", blob, tree + index * size + 6)
            if flags & DIRECTORY:
                waiting += [(second + k, full) for k in range(first)]
            else:
                found.append((full, flags, second))
        for full, flags, offset in sorted(found):
            (length,) = struct.unpack_from(">I", blob, data + offset)
            start = data + offset + 4
            content = _decompress(flags, blob[start : start + length])
            if content is not None:
                yield full, content
    except (struct.error, UnicodeDecodeError, zlib.error) as error:
        raise ValueError(f"{path} is a damaged Qt resource file") from error
