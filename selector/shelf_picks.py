"""The methods of the coreset shelf that need no labels, as ways to choose instruction data.

They choose by content alone, among what the floors let through; quality plays a part only where a
method ranks by a score (``d2``), and then what is good counts as it would count what is hard.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from data_cards.counted import counted
from data_cards.errors import BadInputError
from selector.coreset import Budget, Coreset, choose, methods
from selector.coreset.reasons import Words, tell
from selector.outcome import Outcome, shortfall
from selector.pick import collapse, described
from selector.picker import Options, register
from selector.selection import Candidates, Selection
from selector.vectors import resolve_space, space_rows

BY_QUALITY = frozenset({"d2"})
"""Methods that rank by a score, for which quality stands in."""


class _Shelf:
    """One method of the shelf."""

    name: ClassVar[str]
    summary: ClassVar[str]
    uses: ClassVar[frozenset[str]] = frozenset({"space", "image_weight", "seed", "own"})

    def pick(self, candidates: Candidates, budget: int, options: Options) -> Selection:
        """Choose among what floors, and copies, leave; what has no vector is not chosen.

        Raises:
            BadInputError: Nothing that is left has a vector.
        """
        outcome = Outcome(candidates, options.seed)
        ranked = collapse(outcome, outcome.admit())
        space = resolve_space(candidates, options.space)
        there = np.zeros(0, dtype=np.int64)
        rows = np.zeros((0, 1), dtype=np.float32)
        if space is not None:
            rows, present = space_rows(candidates, ranked, space, options.image_weight)
            there, rows = ranked[present], rows[present]
        if len(ranked) and not len(there):
            raise BadInputError(
                f"{self.name} chooses by vectors, and none of {counted(len(ranked), 'sample')} has "
                "one.",
                "Score again with an encoder, or choose without vectors: --method top.",
            )
        count = min(budget, len(there))
        quality = np.asarray(candidates.quality, dtype=np.float64)
        made = choose(
            np.asarray(candidates.ids, dtype=object)[there], Budget(count=count), self.name,
            features=rows, scores=quality[there], seed=options.seed, **options.own,
        )  # fmt: skip
        tell(outcome, made, there, Words(self.name, "quality", copies="not chosen"))
        without = np.setdiff1d(ranked, there)
        outcome.put(without, "not chosen", f"{self.name}: there is no vector to choose by")
        parameters = {
            **described(self.name, candidates, budget, options),
            "near_duplicate": None,
            "options": _options_of(made),
            "space": space,
            "eligible": len(ranked),
            **({"found": dict(made.notes)} if made.notes else {}),
            **shortfall(budget, count, len(there)),
        }
        return outcome.selection(parameters)


def _options_of(made: Coreset) -> dict[str, Any]:
    """Every option of the method that can be typed, as it was."""
    known = methods()[made.method].options
    return {name: made.parameters[name] for name, one in known.items() if one.typed}


for _name, _method in methods().items():
    if _method.needs == {"features"} or _name in BY_QUALITY:
        register(type(f"Shelf_{_name}", (_Shelf,), {"name": _name, "summary": _method.keeps}))
