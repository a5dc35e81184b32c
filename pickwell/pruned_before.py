"""A corpus that was pruned before: what it is, and what of it holds when it is pruned again."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.counted import counted
from pickwell.config import PruneConfig
from pickwell.prune_corpus import RUN

if TYPE_CHECKING:
    from scoring.run import Run

MANIFEST = "manifest.json"
_GIVEN_ANEW = (
    *("prototypes", "supervised", "balance", "balance_by", "random_share", "duplicates"),
    *("duplicates_share", "duplicates_first", "chains", "by", "per_class", "strategy"),
    *("probe", "probe_seeds", "seed"),
)
"""Options of a decision that do not go over to the next one; how much stays is always new."""


def was_pruned(corpus: str | Path) -> bool:
    """Whether a corpus is a folder with a run of pictures in it, rather than pictures."""
    return not str(corpus).startswith("hf://") and (Path(corpus) / RUN / "run.json").is_file()


def told_anew(before: Path, run: Run, settings: PruneConfig) -> str:
    """One line for the user: what is judged again, what was taken over and what was not.

    Args:
        before: The folder of the corpus pruned before.
        run: Its run.
        settings: The options now, those taken over among them.
    """
    manifest = manifest_of(before)
    then = manifest.get("options") or {}
    rows, gone = run.manifest["rows"], _gone(manifest)
    also = f", also the {gone:,} that went" if gone else ""
    share = "--keep" if settings.count is None else "--count"
    line = f"All {counted(rows, 'picture')} of the corpus of {before} are judged anew{also};"
    line += f" {share} is of them all. Taken over: the vectors and how the pictures were read"
    group = settings.group is not None and settings.group == then.get("group")
    line += f", --group {shlex.quote(str(settings.group))}." if group else "."
    lost = [_typed(name, then[name]) for name in _GIVEN_ANEW if _differs(name, then, settings)]
    if not lost:
        return line
    one = len(lost) == 1
    return (
        f"{line} {', '.join(lost)} of then {'is' if one else 'are'} not: give "
        f"{'it' if one else 'them'} again to have {'it' if one else 'them'} hold."
    )


def manifest_of(before: Path) -> dict[str, Any]:
    """``manifest.json`` of a pruned corpus; empty where there is none that can be read."""
    try:
        told = json.loads((before / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _gone(manifest: dict[str, Any]) -> int:
    funnel = manifest.get("funnel") or {}
    return int(funnel.get("duplicate", 0)) + int(funnel.get("not chosen", 0))


def _differs(name: str, then: dict[str, Any], settings: PruneConfig) -> bool:
    """Whether an option was set then and is at its default again."""
    default = PruneConfig().model_dump(mode="json")[name]
    now = settings.model_dump(mode="json")[name]
    return name in then and then[name] != default and now == default


def _typed(name: str, value: object) -> str:
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return flag
    return f"{flag} {value:g}" if isinstance(value, float) else f"{flag} {value}"
