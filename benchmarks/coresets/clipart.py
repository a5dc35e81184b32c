"""Open Clip Art for the shelf: links grouped with what they point to, large groups cut down."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_cards.demo.corpus import GROUP, read_links
from finetune.reduce.split import split_by_class
from selector.order import canonical_order

CAP = 20
"""Pictures of one group, a series by one hand, that take part: some have hundreds."""
LEAST = 30
"""Pictures of a class, below which it takes no part."""
BY = r"^([^|]*)\|"
"""Finds in an id of the list what a split must not divide."""


def clipart_list(
    packages: Path, seeds: Sequence[int], per_class: int, say: Callable[[str], None]
) -> tuple[Path, dict[str, Any]]:
    """List the pictures that take part, each with its group before its id.

    Args:
        packages: Folder with ``pictures.jsonl`` and the truth about links.
        seeds: Of the splits.
        per_class: The largest number of each class that is asked for.
        say: Told what was left out.

    Returns:
        The list, beside ``pictures.jsonl``; and what was left out, for the page.
    """
    links = read_links(packages)
    with (packages / "pictures.jsonl").open(encoding="utf-8") as file:
        records = [record for line in file if (record := json.loads(line))["id"][:8] == "clipart/"]
    ids = np.array([record["id"] for record in records], object)
    groups = np.array([group_of(one, links) for one in ids], object)
    labels = np.array([record["label"] for record in records], object)
    rows = capped(ids, groups, CAP)
    kept, dropped = large_classes(ids[rows], groups[rows], labels[rows], seeds, per_class)
    rows = rows[kept]
    told = {
        "listed": len(ids), "kept": len(rows), "cap": CAP, "least": LEAST,
        "classes": len(np.unique(labels[rows])), "dropped": dropped,
    }  # fmt: skip
    say(
        f"clip art: {len(rows):,} of {len(ids):,} pictures take part; {len(dropped)} classes do not"
    )
    path = packages / "pictures_coresets.jsonl"
    lines = [json.dumps({**records[row], "id": f"{groups[row]}|{ids[row]}"}) for row in rows]
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path, told


def group_of(id_: str, links: dict[str, str]) -> str:
    """What a picture belongs to, a link to what its target belongs to."""
    target = links.get(id_, id_)
    found = re.search(GROUP, target)
    return found[1] if found else target


def capped(ids: np.ndarray, groups: np.ndarray, cap: int) -> np.ndarray:
    """Rising positions, of each group ``cap`` at most, drawn by a hash of their ids."""
    order = canonical_order(ids, 0, purpose="cap")
    _, coded = np.unique(groups[order], return_inverse=True)
    ranked = np.argsort(coded, kind="stable")
    sizes = np.bincount(coded)
    place = np.arange(len(ids)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(order[ranked[place < cap]])


def large_classes(
    ids: np.ndarray,
    groups: np.ndarray,
    labels: np.ndarray,
    seeds: Sequence[int],
    per_class: int,
) -> tuple[np.ndarray, list[str]]:
    """Rising positions of classes with enough to train on in every split, and the other classes."""
    names, coded = np.unique(labels, return_inverse=True)
    _, grouped = np.unique(groups, return_inverse=True)
    sizes = np.bincount(coded)
    taken = sizes >= LEAST
    while taken.any():
        rows = np.flatnonzero(taken[coded])
        least = np.full(len(names), len(ids))
        for seed in seeds:
            train, _ = split_by_class(ids[rows], coded[rows], grouped[rows], seed=seed)
            found = np.bincount(coded[rows][train], minlength=len(names))
            least = np.minimum(least, found)
        short = taken & (least < per_class)
        if not short.any():
            break
        taken &= ~short
    return np.flatnonzero(taken[coded]), names[~taken].tolist()
