"""Columns to compact JSON that is safe inside a ``<script>`` element."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from pickwell.report.data import ReportRows

THUMBNAILS_PER_BLOCK = 128


def script_json(value: Any) -> str:
    """JSON that no HTML parser can leave: ``<``, ``>``, ``&`` and line separators are escaped.

    Lone surrogates (broken input) become JSON escapes, so that the text is valid UTF-8.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029\x7f":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def scalar(value: Any) -> Any:
    """One cell as JSON holds it: six significant digits, NaN and infinities as ``None``."""
    if value is None or isinstance(value, str | bool):
        return value
    if hasattr(value, "item"):  # NumPy scalars
        return scalar(value.item())
    if isinstance(value, int):
        return value
    if not math.isfinite(value):
        return None
    rounded = float(f"{value:.6g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def strings(column: Iterable[Any]) -> dict[str, list[Any]]:
    """A text column as its distinct values ``d`` and N indices ``i`` (-1: missing)."""
    places: dict[str, int] = {}
    indices = []
    for value in column:
        missing = value is None or value != value  # NaN, as pandas writes a missing string
        indices.append(-1 if missing else places.setdefault(str(value), len(places)))
    return {"d": list(places), "i": indices}


def pack_rows(rows: ReportRows) -> tuple[dict[str, Any], list[list[str]]]:
    """The rows' columns, and blocks of distinct base64 thumbnails.

    Returns:
        The columns as JSON values; ``thumbnail`` holds the place of the image counted over all
        blocks (-1: none). The blocks hold :data:`THUMBNAILS_PER_BLOCK` images each.
    """
    text = ("source", "stage", "reason", "instruction", "response", "note")
    number = ("rank", "quality", "cluster", "similarity")
    columns: dict[str, Any] = {"id": [str(value) for value in rows.id]}
    columns |= {name: strings(getattr(rows, name)) for name in text}
    columns |= {name: [scalar(value) for value in getattr(rows, name)] for name in number}
    if rows.image is not None:
        columns["image"] = strings(rows.image)
    if rows.x is not None and rows.y is not None:
        columns["x"] = [_short(value) for value in rows.x]
        columns["y"] = [_short(value) for value in rows.y]
    # Booleans travel as 0 and 1; the page still says yes and no.
    columns["flags"] = [name for name, column in rows.values.items() if _is_flag(column)]
    columns["values"] = {name: _values(column) for name, column in rows.values.items()}
    place = {value: index for index, value in enumerate(columns["id"])}
    columns["rival"] = [
        -1 if name is None or name != name else place.get(str(name), -1) for name in rows.rival
    ]
    # A rival that is not on the page is still named.
    columns["rival_name"] = {
        index: str(name)
        for index, name in enumerate(rows.rival)
        if name is not None and name == name and str(name) and columns["rival"][index] < 0
    }
    columns["thumbnail"], images = _thumbnails(rows.thumbnail)
    step = THUMBNAILS_PER_BLOCK
    return columns, [images[start : start + step] for start in range(0, len(images), step)]


def _short(value: Any) -> float | None:
    """A map coordinate: four decimals are finer than a pixel."""
    cell = scalar(value)
    return None if cell is None else round(cell, 4)


def _is_flag(column: Sequence[Any]) -> bool:
    known = [cell for cell in map(scalar, column) if cell is not None]
    return bool(known) and all(isinstance(cell, bool) for cell in known)


def _values(column: Sequence[Any]) -> Any:
    cells = [scalar(value) for value in column]
    if any(isinstance(cell, str) for cell in cells):
        return strings(cells)
    return [int(cell) if isinstance(cell, bool) else cell for cell in cells]


def _thumbnails(column: Iterable[bytes | None]) -> tuple[list[int], list[str]]:
    places: dict[bytes, int] = {}
    indices = [-1 if not data else places.setdefault(data, len(places)) for data in column]
    return indices, [base64.b64encode(data).decode("ascii") for data in places]
