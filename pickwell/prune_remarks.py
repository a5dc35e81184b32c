"""What must be said of a pruned corpus at once: fewer than asked for, classes that are gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from data_cards.counted import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pickwell.prune_corpus import Corpus
    from pickwell.pruned import PrunedCorpus
    from selector.prune.corpus import Pruned

NAMED = 10
"""Classes that are named, of those that are gone."""


def headline(made: PrunedCorpus) -> str:
    """How many stay; where duplicates left fewer than asked for, that too."""
    short = made.pruned.selection.parameters.get("shortfall")
    return f"{made.stay}: {short}." if short else f"{made.stay}."


def lost_classes(pictures: Corpus, pruned: Pruned, by_method: bool = False) -> list[str]:
    """Classes that lost their last picture, by name, and to what.

    Args:
        pictures: The corpus.
        pruned: What stays and goes.
        by_method: Whether a method of the shelf decided, which knows no floors.

    Returns:
        A sentence for those that were duplicates through and through, one for the others.
    """
    import numpy as np

    if pictures.classes is None:
        return []
    read = np.flatnonzero(pictures.readable & (pictures.classes >= 0))
    before = np.unique(pictures.classes[read])
    gone = np.setdiff1d(before, pictures.classes[pruned.kept.rows])
    ranked = np.intersect1d(gone, pictures.classes[pruned.kept.removed])
    names = pictures.class_names
    copies, unpicked = "every picture was a duplicate of another", "no floor held a picture back"
    if by_method:
        copies, unpicked = "every picture was like another", "none of the pictures was picked"
    said = ((np.setdiff1d(gone, ranked), copies), (ranked, unpicked))
    return [_gone([names[n] for n in lost], why) for lost, why in said if len(lost)]


def _gone(names: Sequence[str], why: str) -> str:
    more = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    verb = "is" if len(names) == 1 else "are"
    many = counted(len(names), "class", "classes")
    return f"{many} {verb} gone: {', '.join(names[:NAMED])}{more}; {why}."
