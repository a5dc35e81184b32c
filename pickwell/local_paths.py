"""Taking the names of local folders out of what is shown to others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import Any

_POSIX = re.compile(r"(?<![\w.:/~@\-])(?:~|/[\w.@+,=%-]+)(?:/[\w.@+,=%-]+)+/?")
_WINDOWS = re.compile(r"(?<!\w)[A-Za-z]:[\\/][^\s\"'`|<>]+")


def local_paths(value: Any) -> Iterator[str]:
    """Every absolute path among the strings of a JSON-like value."""
    if isinstance(value, str) and is_absolute(value):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from local_paths(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from local_paths(item)


def is_absolute(text: str) -> bool:
    """Whether a text is an absolute path of this or another system."""
    if "\n" in text or len(text) > 4096:
        return False
    return PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute()


def without_local_paths(value: Any, known: Iterable[str] = ()) -> Any:
    """The same JSON-like value or text, with the last name of each absolute path in its place.

    Args:
        value: A string, or a mapping or list of such.
        known: Paths that are taken out wherever they stand, blanks in them or not.
    """
    order = sorted({path.rstrip("/") for path in known if len(path) > 1}, key=len, reverse=True)
    return _cleaned(value, [path for path in order if path])


def _cleaned(value: Any, known: list[str]) -> Any:
    if isinstance(value, dict):
        return {name: _cleaned(item, known) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(item, known) for item in value]
    if not isinstance(value, str):
        return value
    if is_absolute(value):
        return _last(value)
    for path in known:
        value = value.replace(path, _last(path))
    value = _POSIX.sub(lambda found: _last(found[0]), value)
    return _WINDOWS.sub(lambda found: _last(found[0]), value)


def _last(path: str) -> str:
    kind: type[PurePath] = PureWindowsPath if re.match(r"[A-Za-z]:", path) else PurePosixPath
    return kind(path).name or "."
