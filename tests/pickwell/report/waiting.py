"""Waiting for a page that forbids to evaluate strings, which ``wait_for_function`` does."""

from __future__ import annotations

import time
from typing import Any

PATIENCE = 30.0


def eventually(page: Any, expression: str) -> None:
    """Ask until it is true; the driver's own questions pass the page's policy."""
    ends = time.monotonic() + PATIENCE
    while not page.evaluate(expression):
        assert time.monotonic() < ends, f"never true: {expression}"
        page.wait_for_timeout(50)
