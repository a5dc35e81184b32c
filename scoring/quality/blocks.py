"""Samples that show the same picture belong together: one must not be judged by its twin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from data_cards.errors import BadInputError
from scoring.quality.labels import Labels
from scoring.quality.usable import FEWEST_BLOCKS


def hold_pictures_together(
    labels: Labels, pictures: Sequence[Sequence[bytes] | None]
) -> tuple[Labels, str]:
    """Put samples that share a picture, directly or through others, into one block.

    All that is measured on the picture is the same for them, and their labels are often alike: a
    fit that has seen one would be judged on what it knows. Labels of groups, and samples whose
    blocks are given, are left as they are.

    Args:
        labels: What is to be learned.
        pictures: Keys of the pictures of each row of the run.

    Returns:
        The labels, and a note; empty where nothing was changed.

    Raises:
        BadInputError: If too few blocks would be left to hold out.
    """
    if labels.grouped or labels.blocks != labels.names:
        return labels, ""
    leader = list(range(len(labels)))

    def find(unit: int) -> int:
        while leader[unit] != unit:
            leader[unit] = leader[leader[unit]]
            unit = leader[unit]
        return unit

    first: dict[bytes, int] = {}
    for unit, rows in enumerate(labels.members):
        for key in pictures[int(rows[0])] or ():
            if key is not None:
                one, other = sorted((find(unit), find(first.setdefault(key, unit))))
                leader[other] = one
    blocks = tuple(labels.names[find(unit)] for unit in range(len(labels)))
    sizes: dict[str, int] = {}
    for block in blocks:
        sizes[block] = sizes.get(block, 0) + 1
    together = sum(size for size in sizes.values() if size > 1)
    if not together:
        return labels, ""
    if len(sizes) < FEWEST_BLOCKS <= len(labels):
        raise BadInputError(
            f"The {len(labels):,} labelled samples fall into {len(sizes)} sets that share their "
            f"pictures: at least {FEWEST_BLOCKS} are needed to hold one out.",
            "Label samples of more pictures, or name what belongs together in a column 'group'.",
        )
    return replace(labels, blocks=blocks), (
        f"{together:,} of the labelled samples share a picture with another one: they were held "
        "out together (a column 'group' says otherwise)."
    )
