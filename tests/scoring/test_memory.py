"""Giving freed memory back."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import pytest

from scoring.memory import release_freed


def _anonymous() -> int:
    status = Path("/proc/self/status").read_text()
    return int(next(li for li in status.splitlines() if li.startswith("RssAnon")).split()[1])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_freed_holes_go_back_to_the_system() -> None:
    """Small blocks freed below one that is kept stay with the process until asked for."""
    blocks = [bytearray(60_000) for _ in range(2_000)]
    kept = [bytearray(60_000)]
    del blocks
    gc.collect()
    before = _anonymous()
    release_freed()
    assert len(kept[0]) == 60_000
    assert _anonymous() <= before


def test_it_can_be_called_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the C library cannot, nothing happens."""
    import scoring.memory as memory

    monkeypatch.setattr(memory, "_trim", lambda: None)
    memory.release_freed()
