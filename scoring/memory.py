"""Freed memory, given back to the system: torch's passes leave the C library's heap in pieces."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable


def release_freed() -> None:
    """Give freed pages back to the system where the C library can (glibc); else do nothing.

    Tensors of ever other shapes leave holes that glibc keeps: a third of a scoring process after
    some thousand texts. Nothing that is in use moves; it takes milliseconds.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@functools.cache
def _trim() -> Callable[[int], int] | None:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # musl, macOS, Windows
        return None
