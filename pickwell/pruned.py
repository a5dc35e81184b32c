"""What ``prune`` gives back, whichever way it pruned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pickwell.words import many

if TYPE_CHECKING:
    import numpy as np

    from selector.coreset.base import Need
    from selector.prune.corpus import Pruned
    from selector.prune.duplicates import Recall
    from selector.prune.pilot import Pilot
    from selector.prune.robust import Robustness


@dataclass(frozen=True)
class ByMethod:
    """A method of the shelf that decided what stays.

    Attributes:
        name: Method, score and options, e.g. ``ccs:aum:cut=0.2``.
        score: What it ranked by; ``None``: it needs no score.
        values: (n,) that score; NaN where it is not known.
        needs: What it looks at: ``features``, ``scores``, ``labels``.
        by_prototypes: Whether it ranked by distance to the prototypes.
        shares: How many of each class were asked for, in words; empty: classes played no part.
    """

    name: str
    score: str | None
    values: np.ndarray | None
    needs: frozenset[Need]
    by_prototypes: bool = False
    shares: str = ""


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
        recall: Of duplicates, told by a sample.
        remarks: What the user should know beside it, a sentence or two each.
        by: The method of the shelf that decided; ``None``: distance to the prototypes did.
    """

    folder: Path
    pruned: Pruned
    strategy: str
    why: str
    pilot: Pilot | None
    robustness: list[Robustness]
    recall: Recall | None
    remarks: tuple[str, ...] = ()
    by: ByMethod | None = None

    @property
    def stay(self) -> str:
        """``1 of 30 pictures stays``."""
        funnel = self.pruned.selection.funnel()
        kept, read = funnel["chosen"], sum(funnel.values())
        return f"{kept:,} of {many(read, 'picture')} {'stays' if kept == 1 else 'stay'}"

    def with_notes(self, notes: tuple[str, ...]) -> PrunedCorpus:
        """The same with further sentences on what was not as asked for."""
        selection = self.pruned.selection
        told = {**selection.parameters, "notes": [*notes, *selection.parameters["notes"]]}
        pruned = replace(self.pruned, selection=replace(selection, parameters=told))
        return replace(self, pruned=pruned)
