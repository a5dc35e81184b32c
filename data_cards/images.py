"""Safe decoding: any bytes become an RGB image with its facts, or a short reason why not.

Nothing here touches Pillow's global settings per call, so that any number of threads may decode
at once. ``PIL.Image.open`` itself is not used: it warns about large images before they can be
refused, and warnings cannot be caught in threads. Each allowed plugin is asked directly, and the
size in the header is checked before a pixel is decoded.
"""

from __future__ import annotations

import importlib
import os
import stat
import struct
import warnings
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from PIL import Image

from data_cards.errors import BadRowError
from data_cards.sample import ImageRef
from data_cards.to_rgb import to_rgb

if TYPE_CHECKING:
    from data_cards.downloader import Downloader

# What remains are remarks on sloppy metadata (Exif, TIFF tags) of files that decode well.
warnings.filterwarnings("ignore", module=r"PIL\.")

_PLUGINS = ("Jpeg", "Png", "Webp", "WebP", "Gif", "Bmp", "Tiff", "Ppm", "Avif", "Jpeg2K", "Mpo")
for _plugin in _PLUGINS:
    try:
        importlib.import_module(f"PIL.{_plugin}ImagePlugin")
    except ImportError:  # an older Pillow, or one built without the library
        continue

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")
"""Pillow formats that are decoded, found by content; never EPS, PDF, FITS or the like."""

_NOT_IMAGES = (
    (b"%PDF", "a PDF file"),
    (b"%!PS", "a PostScript file"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML file, perhaps an SVG drawing"),
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"version https://git-lfs", "a Git LFS pointer"),
    (b"PK\x03\x04", "a ZIP archive"),
)

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What is refused before it is decoded.

    Attributes:
        max_bytes: Largest encoded size.
        max_pixels: Largest width times height, as the header says.
    """

    max_bytes: int = 100_000_000
    max_pixels: int = 50_000_000


LIMITS = ImageLimits()
"""The limits where the caller gives none."""


def read_bytes(
    ref: ImageRef, max_bytes: int = LIMITS.max_bytes, downloader: Downloader | None = None
) -> bytes:
    """Read the encoded bytes that a reference points to.

    Args:
        ref: The reference; its ``path`` is taken as safe (readers check that).
        max_bytes: Files above this size are refused unread.
        downloader: Fetches http and https addresses; ``None``: they are refused.

    Returns:
        The encoded bytes, not yet known to be an image.

    Raises:
        BadRowError: The reference has an error, or the file is missing, a directory, not a
            regular file, too large, or not readable.
    """
    if ref.error is not None:
        raise BadRowError(ref.error)
    if ref.data is not None:
        if len(ref.data) > max_bytes:
            raise _bad(f"image too large ({len(ref.data)} bytes, limit {max_bytes})", ref.name)
        return ref.data
    path = ref.path
    if ref.url is not None and ref.url.startswith("zip://"):
        from data_cards.hub_images import read_member

        return read_member(ref.url, max_bytes)
    if ref.url is not None and ref.url.startswith("hf://"):
        from data_cards.hub_images import fetch

        path = fetch(ref.url, max_bytes)
    elif ref.url is not None:
        if downloader is None:
            raise _bad("image is a URL; only `score --allow-urls` fetches it", ref.name)
        return downloader.fetch(ref.url, max_bytes)
    if path is None:
        raise _bad("image reference is empty", ref.name)
    try:
        # Non-blocking, so that a named pipe cannot hang the reader; it is refused just below.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise _bad("image missing", ref.name) from None
    except PermissionError:
        raise _bad("image not readable: permission denied", ref.name) from None
    except (OSError, ValueError) as error:
        raise _bad(f"image not readable: {_words(error)}", ref.name) from None
    try:
        facts = os.fstat(handle)
        if stat.S_ISDIR(facts.st_mode):
            raise _bad("image is a directory", ref.name)
        if not stat.S_ISREG(facts.st_mode):
            raise _bad("image is not a regular file", ref.name)
        if facts.st_size > max_bytes:
            raise _bad(f"image too large ({facts.st_size} bytes, limit {max_bytes})", ref.name)
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(max_bytes)
    except OSError as error:
        raise _bad(f"image not readable: {_words(error)}", ref.name) from None
    finally:
        os.close(handle)


def decode(
    data: bytes,
    name: str = "",
    *,
    limits: ImageLimits = LIMITS,
    target: tuple[int, int] | None = None,
) -> tuple[Image.Image, dict[str, Any]]:
    """Decode the first frame to RGB, upright, in full colour depth scaled to 8 bits.

    Transparency is laid on white; where more than half of the visible pixels (alpha at least one
    half) are nearly white (luminance 230 or more of 255) it is laid on mid-grey (128) instead, so
    that a white drawing on a transparent ground does not vanish. 16-bit grey is divided by 257;
    32-bit integers and floats are stretched from their own smallest to largest value, except that
    integers within 16 bits are divided by 257 and floats within 0..1 multiplied by 255.

    Args:
        data: The encoded image; its format is found by content, never by its name.
        name: For messages only.
        limits: Sizes above these are refused.
        target: ``(width, height)`` in pixels that the caller needs at least, of the upright
            image; one at least twice as large is then reduced by a whole factor, before anything
            else is done with its pixels, and a JPEG already while it is decoded.

    Returns:
        The image in mode RGB, and the facts of the original: ``width`` and ``height`` (pixels,
        upright, before any ``target``), ``mode``, ``format``, ``frames``.

    Raises:
        BadRowError: Empty, truncated, damaged, not an image, or too many pixels.
    """
    if not data:
        raise _bad("image empty (0 bytes)", name)
    if len(data) > limits.max_bytes:
        raise _bad(f"image too large ({len(data)} bytes, limit {limits.max_bytes})", name)
    kind = ""
    try:
        image = _identify(data)
        if image is None:
            raise BadRowError(_what_else(data))
        with image:
            kind = image.format or ""
            _check_pixels(image.size, limits)
            if kind == "PNG":
                _check_png(data)
            facts = {
                "width": image.width,
                "height": image.height,
                "mode": image.mode,
                "format": kind,
                "frames": _frames(image),
            }
            orientation = _orientation(image)
            if orientation >= 5:
                facts["width"], facts["height"] = image.height, image.width
            if target is not None and kind in ("JPEG", "MPO"):
                image.draft(None, target if orientation < 5 else target[::-1])
            image.load()
            _check_pixels(image.size, limits)  # a GIF frame may enlarge its canvas
            least = target if target is None or orientation < 5 else target[::-1]
            rgb = _reduced(to_rgb(_reduced(image, least)), least)
            if orientation in _TURNS:
                rgb = rgb.transpose(_TURNS[orientation])
            if rgb is image:
                rgb = image.copy()
    except BadRowError as error:
        raise _bad(error.reason, name) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _bad(f"image has too many pixels (limit {limits.max_pixels})", name) from None
    except MemoryError:
        raise _bad("image needs more memory than there is", name) from None
    except Exception as error:  # plugins raise nearly anything on hostile bytes
        reason = "image truncated" if _cut_short(data, kind, error) else "image damaged"
        if reason == "image damaged":
            reason += f" ({_words(error)})"
        raise _bad(reason, name) from None
    return rgb, facts


def _reduced(image: Image.Image, least: tuple[int, int] | None) -> Image.Image:
    """Box-average by the largest whole factor that leaves both sides at least ``least``.

    Only modes whose values may be averaged; a palette, or a colour that means transparent, may
    not, and such an image is reduced when it is RGB.
    """
    averages = image.mode in ("RGBA", "LA") or (
        image.mode in ("RGB", "L") and "transparency" not in image.info
    )
    if least is None or not averages:
        return image
    factor = min(image.width // least[0], image.height // least[1])
    return image.reduce(factor) if factor > 1 else image


def with_name(reason: str, name: str) -> str:
    """Why an image is bad, with its name as far as it can be shown."""
    shown = "".join(c if c.isprintable() else "?" for c in name)
    shown = shown if len(shown) <= 120 else shown[:117] + "..."
    return f"{reason}: {shown}" if shown else reason


def _bad(reason: str, name: str) -> BadRowError:
    return BadRowError(with_name(reason, name))


def _words(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    text = " ".join(text.split()) or type(error).__name__
    return text if len(text) <= 100 else text[:97] + "..."


def _identify(data: bytes) -> Image.Image | None:
    """Ask each allowed plugin in turn; raise what the one that knows the signature raises."""
    prefix = data[:16]
    for name in FORMATS:
        if name not in Image.OPEN:
            continue
        factory, accept = Image.OPEN[name]
        if accept is not None and accept(prefix) is not True:
            continue
        return factory(BytesIO(data), "")
    return None


def looks_like_image(data: bytes) -> bool:
    """Whether the first bytes are those of a format that is decoded; nothing is decoded."""
    prefix = data[:16]
    return any(
        name in Image.OPEN
        and (accept := Image.OPEN[name][1]) is not None
        and accept(prefix) is True
        for name in FORMATS
    )


def _what_else(data: bytes) -> str:
    head = data[:64].lstrip().lower()
    for magic, what in _NOT_IMAGES:
        if head.startswith(magic.lower()):
            return f"not an image (it is {what})"
    return "not an image"


def _check_pixels(size: tuple[int, int], limits: ImageLimits) -> None:
    width, height = size
    if width * height > limits.max_pixels:
        raise BadRowError(
            f"image has too many pixels ({width} x {height}, limit {limits.max_pixels})"
        )
    if width <= 0 or height <= 0:
        raise BadRowError(f"image has no pixels ({width} x {height})")


def _check_png(data: bytes) -> None:
    """Compare the checksums of the chunks that hold pixels, which Pillow does not.

    Without this, flipped bits decode to noise and nobody is told.
    """
    view, position = memoryview(data), 8
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        if end + 4 > len(data):
            return  # cut short: decoding says so, if pixels are missing
        if kind in (b"PLTE", b"IDAT"):
            (stored,) = struct.unpack_from(">I", data, end)
            if zlib.crc32(view[position + 4 : end]) != stored:
                raise BadRowError(f"image damaged (wrong checksum in {kind.decode()})")
        position = end + 4


def _frames(image: Image.Image) -> int:
    try:
        frames = int(getattr(image, "n_frames", 1))
        image.seek(0)
    except (EOFError, SyntaxError, ValueError, OSError, struct.error):
        # A later frame is broken; the first one decides whether the image is.
        image.seek(0)
        return 1
    return max(frames, 1)


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # damaged Exif says nothing about the pixels
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _cut_short(data: bytes, kind: str, error: Exception) -> bool:
    """Whether an image that failed to decode ends before its own end marker."""
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data[-64:]
    if data.startswith(b"\xff\xd8"):
        return b"\xff\xd9" not in data[-1024:]
    if data.startswith(b"GIF8"):
        return not data.rstrip(b"\0").endswith(b";")
    if data[:4] == b"RIFF" and len(data) >= 8:
        return int.from_bytes(data[4:8], "little") + 8 > len(data)
    return len(data) < 32 or "truncated" in str(error).lower() or isinstance(error, EOFError)
