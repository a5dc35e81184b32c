"""Identity of a picture by its pixels, so that copies under other names match."""

from __future__ import annotations

import hashlib
import io
import warnings
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from data_cards.demo.captioned import CaptionedImage

PIXEL_LIMIT = 40_000_000
"""Larger pictures are not decoded; their encoded bytes are hashed instead."""
CACHE = Path("image_hashes.parquet")


def pixel_hash(encoded: bytes) -> str | None:
    """SHA-256 of width, height and the first frame's RGBA pixels, in hexadecimal.

    Returns:
        ``None`` where the picture is larger than :data:`PIXEL_LIMIT` or cannot be decoded.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(encoded)) as image:
                if image.width * image.height > PIXEL_LIMIT:
                    return None
                pixels = image.convert("RGBA")
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError):
        return None
    digest = hashlib.sha256(f"{pixels.width}x{pixels.height}:".encode())
    digest.update(pixels.tobytes())
    return digest.hexdigest()


def image_hash(item: CaptionedImage) -> str:
    """:func:`pixel_hash` of the item's picture; ``"bytes:..."`` where that cannot be decoded."""
    encoded = item.read()
    return pixel_hash(encoded) or "bytes:" + hashlib.sha256(encoded).hexdigest()


def _stamp(item: CaptionedImage) -> str:
    """Changes when the picture does; reading the file is not needed."""
    if item.data is not None:
        return f"{len(item.data)}:{zlib.crc32(item.data)}"
    assert item.image is not None
    status = item.image.stat()
    return f"{status.st_size}:{status.st_mtime_ns}"


def _read_cache(path: Path) -> dict[tuple[str, str, str], str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path).to_pydict()
        rows = zip(table["source"], table["key"], table["stamp"], table["hash"], strict=True)
    except (OSError, KeyError, pa.ArrowException):
        return {}
    return {(source, key, stamp): value for source, key, stamp, value in rows}


def _write_cache(path: Path, known: dict[tuple[str, str, str], str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = list(zip(*known, strict=True))
    table = pa.table(
        {"source": columns[0], "key": columns[1], "stamp": columns[2], "hash": list(known.values())}
    )
    partial = path.with_suffix(".partial")
    try:
        pq.write_table(table, partial)
        partial.replace(path)
    except OSError:  # A read-only folder only costs time.
        partial.unlink(missing_ok=True)


def image_hashes(
    items: Sequence[CaptionedImage], root: Path | None = None, *, workers: int = 4
) -> dict[tuple[str, str], str]:
    """:func:`image_hash` of all items, by (source, key).

    Args:
        items: The items.
        root: Folder of the unpacked packages; the answer is kept there in
            ``image_hashes.parquet`` and used again for pictures that did not change.
        workers: Threads that decode.
    """
    known = _read_cache(root / CACHE) if root is not None else {}
    stamps = {(item.source, item.key): _stamp(item) for item in items}
    new = [i for i in items if (i.source, i.key, stamps[i.source, i.key]) not in known]
    if new:
        with ThreadPoolExecutor(workers) as pool:
            for item, value in zip(new, pool.map(image_hash, new), strict=True):
                known[item.source, item.key, stamps[item.source, item.key]] = value
        if root is not None:
            _write_cache(root / CACHE, known)
    return {(s, k): known[s, k, stamps[s, k]] for s, k in stamps}
