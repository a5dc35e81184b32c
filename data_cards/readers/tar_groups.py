"""Consecutive members of a tar that are one sample."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import IO

from data_cards.readers.imagefolder import IMAGE_SUFFIXES
from data_cards.readers.tar_members import Member, iter_members

CAPTIONS = ("txt", "caption", "cap", "text")
"""Kinds of members that hold a caption."""
TEXTS = frozenset((*CAPTIONS, "json"))
"""Kinds of members that hold the words of a sample."""

_KEY = re.compile(r"((?:.*/)?[^./][^./]*)\.([^/]+)")


@dataclass(slots=True)
class Group:
    """Consecutive members with one key.

    Attributes:
        key: Their name up to the first dot of its last part; ``""`` for a damaged place.
        members: Each with its extension.
        before: Damage just before the first of them.
        damage: What is wrong with the group, else ``None``.
    """

    key: str
    members: list[tuple[str, Member]] = field(default_factory=list)
    before: str | None = None
    damage: str | None = None

    def whole(self, texts: Collection[str]) -> bool:
        """Whether it has an image, and one of the kinds ``texts`` beside it if there are any."""
        kinds = {extension.rpartition(".")[2].lower() for extension, _ in self.members}
        image = any("." + kind in IMAGE_SUFFIXES for kind in kinds)
        return image and (not texts or not kinds.isdisjoint(texts))


def iter_groups(file: IO[bytes], texts: Collection[str] = TEXTS) -> Iterator[Group]:
    """Group consecutive members by key (name up to the first dot of its last part).

    Damage is laid to the neighbour that lacks its image or its text; where neither does, it is
    a group by itself, with no members.

    Args:
        file: The bytes of a tar.
        texts: Kinds of members of which one belongs beside the image; none: the image is all.
    """
    current: Group | None = None
    pending: str | None = None
    for member in iter_members(file):
        if member.damage is not None:
            pending = member.damage
            continue
        match = _KEY.fullmatch(member.name)
        if match is None:
            continue
        if current is not None and match[1] == current.key:
            current.damage = current.damage or pending
            pending = None
        else:
            if current is not None:
                if pending is not None and not current.whole(texts):
                    current.damage, pending = pending, None
                yield from _settled(current, texts)
            current, pending = Group(match[1], before=pending), None
        current.members.append((match[2], member))
    if current is not None:
        if pending is not None and not current.whole(texts):
            current.damage, pending = pending, None
        yield from _settled(current, texts)
    if pending is not None:
        yield Group("", damage=pending)


def _settled(group: Group, texts: Collection[str]) -> Iterator[Group]:
    if group.before is not None:
        if group.whole(texts):
            yield Group("", damage=group.before)
        else:
            group.damage = group.before
    yield group
