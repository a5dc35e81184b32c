"""Figures as JSON that every reader takes: what is not a number is null."""

from __future__ import annotations

import json
import math
from typing import Any


def plain_json(value: Any) -> str:
    """Indented JSON with a line break at its end, without NaN or infinities.

    Args:
        value: Of JSON values; anything else is written as its text.
    """
    return json.dumps(finite(value), indent=1, default=str, allow_nan=False) + "\n"


def finite(value: Any) -> Any:
    """The same with ``None`` for every NaN and infinity: RFC 8259 knows neither."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(one) for key, one in value.items()}
    return [finite(one) for one in value] if isinstance(value, list | tuple) else value
