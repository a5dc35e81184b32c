"""The range that a number may lie in, in words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def range_words(limits: Iterable[Any]) -> str:
    """What follows ``a number``, with a space before it; empty: there is no limit.

    Args:
        limits: As ``annotated_types`` has them: objects with ``ge``, ``gt``, ``le`` or ``lt``.

    >>> from annotated_types import Ge, Gt, Le, Lt
    >>> range_words([Ge(0), Le(1)]), range_words([Ge(1)]), range_words([Gt(0), Lt(1)])
    (' from 0 to 1', ' from 1 up', ' above 0 and below 1')
    """
    found = {
        name: _number(getattr(limit, name))
        for limit in limits
        for name in ("ge", "gt", "le", "lt")
        if getattr(limit, name, None) is not None
    }
    least, most = found.get("ge", found.get("gt")), found.get("le", found.get("lt"))
    if least is None:
        return "" if most is None else f" {'at most' if 'le' in found else 'below'} {most}"
    if most is None:
        return f" from {least} up" if "ge" in found else f" above {least}"
    if "ge" in found:
        return f" from {least} to {most}" if "le" in found else f" from {least}, below {most}"
    return f" above {least} and {'at most' if 'le' in found else 'below'} {most}"


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"
