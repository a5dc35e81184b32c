"""What ``prune`` gives back, whichever way it pruned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selector.prune.corpus import Pruned
    from selector.prune.pilot import Pilot
    from selector.prune.robust import Robustness


@dataclass(frozen=True)
class PrunedCorpus:
    """What ``prune`` gives back.

    Attributes:
        folder: Where it lies.
        pruned: What stays and goes; ``pruned.selection`` has every picture with its reason.
        strategy: What was done.
        why: Why, where it was not asked for.
        pilot: The probes; ``None``: none were trained.
        robustness: Other numbers of prototypes.
        recall: Of duplicates: pictures of a sample that have one anywhere, and in their cluster.
        remarks: What the user should know beside it, a sentence or two each.
    """

    folder: Path
    pruned: Pruned
    strategy: str
    why: str
    pilot: Pilot | None
    robustness: list[Robustness]
    recall: tuple[int, int] | None
    remarks: tuple[str, ...] = ()
