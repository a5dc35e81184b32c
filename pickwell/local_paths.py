"""Taking the names of local folders out of what is shown to others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import Any

_COMMA = r",(?!\s*\w+=)"  # one that does not end a model's spec: `reward=...` follows that
_PART = rf"/(?:[\w.@+=%-]|{_COMMA})+"
_REST = rf"(?:[^\s\"'`|<>,]|{_COMMA})*"
_BEFORE = r"(?:(?<![\w.:/~@\-])|(?<=[:@])(?!//))"  # no part of an address or of a longer path
_AFTER = rf"(?![\w@+=%-]|\.\w|{_COMMA}\w)"
_WINDOWS = rf"(?<!\w)[A-Za-z]:[\\/]{_REST}"
_POSIX = rf"(?<![\w.:/~@\-])(?:~|{_PART})(?:{_PART})+/?|(?<=file://)(?:{_PART})+/?"
_IN_SPEC = rf"(?<=[:@])(?:~|\.{{1,2}})?(?:{_PART})+/?"
_ANY = re.compile(f"{_WINDOWS}|{_POSIX}|{_IN_SPEC}")
_SPEC = re.compile(
    r"(?:^|[,=])[\w.-]+:(?:[^\s/@:,]+@)?"
    rf"(?P<path>(?:[A-Za-z]:[\\/]|(?:~|\.{{0,2}})/)(?!/)(?:[^,]|{_COMMA})*)"
)
_LONGEST = 4096


def local_paths(value: Any) -> Iterator[str]:
    """Every absolute path among the strings of a JSON-like value, and every one in models' specs.

    A spec's path (``hf-reward:./my models/rm``) may be a relative one.
    """
    if isinstance(value, str):
        if is_absolute(value):
            yield value
        elif "\n" not in value and len(value) <= _LONGEST:
            yield from (found["path"].rstrip() for found in _SPEC.finditer(value))
    elif isinstance(value, dict):
        for item in [*value, *value.values()]:
            yield from local_paths(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from local_paths(item)


def is_absolute(text: str) -> bool:
    """Whether a text is an absolute path of this or another system."""
    if "\n" in text or len(text) > _LONGEST:
        return False
    return PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute()


def without_local_paths(value: Any, known: Iterable[str] = ()) -> Any:
    """The same JSON-like value or text, with the last name of each absolute path in its place.

    Of a model's spec (``hf-reward:/models/rm``, ``open_clip:ARCH@./c.safetensors``) the folder goes
    too, also where it is relative.

    Args:
        value: A string, or a mapping (its keys too) or list of such.
        known: Paths that are taken out wherever they stand, with what is inside them, blanks in
            them or not.
    """
    order = sorted({path.rstrip("/\\") for path in known if len(path) > 1}, key=len, reverse=True)
    either = "|".join(re.escape(path) for path in order if path)
    pattern = rf"{_BEFORE}(?:{either})(?:[\\/]{_REST})?{_AFTER}" if either else None
    return _cleaned(value, re.compile(pattern) if pattern else None)


def _cleaned(value: Any, known: re.Pattern[str] | None) -> Any:
    if isinstance(value, dict):
        done: dict[Any, Any] = {}
        for name, item in value.items():
            key = _cleaned(name, known)
            while key in done:  # two folders may end in the same name
                key += "+"
            done[key] = _cleaned(item, known)
        return done
    if isinstance(value, list | tuple):
        return [_cleaned(item, known) for item in value]
    if not isinstance(value, str) or not ("/" in value or "\\" in value):
        return value
    if is_absolute(value):
        return _last(value)
    if known is not None:
        value = known.sub(_shown, value)
    return _ANY.sub(_shown, value)


def _shown(found: re.Match[str]) -> str:
    """The last name, with the signs of the sentence that stand after it."""
    path = found[0].rstrip("/\\.,;:)]")
    return _last(path) + re.sub(r"[\\/]", "", found[0][len(path) :])


def _last(path: str) -> str:
    kind: type[PurePath] = PureWindowsPath if re.match(r"[A-Za-z]:|\\", path) else PurePosixPath
    return kind(path).name or "."
