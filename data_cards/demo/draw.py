"""Drawing by hashes: a decision depends on its own key, so that a new source changes no other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True)
class Draw:
    """Repeatable draws from one seed."""

    seed: int

    def number(self, *key: object) -> float:
        """Uniform in [0, 1), the same for the same key."""
        digest = hashlib.sha256(repr((self.seed, *key)).encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64

    def pick(self, options: Sequence[Thing], *key: object) -> Thing:
        """One of the options."""
        return options[int(self.number(*key) * len(options))]

    def weighted(self, options: Sequence[tuple[Thing, float]], *key: object) -> Thing:
        """One of the options, with these weights."""
        at = self.number(*key) * sum(weight for _, weight in options)
        for option, weight in options:
            at -= weight
            if at < 0:
                return option
        return options[-1][0]

    def order(self, things: Iterable[tuple[object, Thing]], *key: object) -> list[Thing]:
        """Shuffle (identity, thing) pairs; the order does not depend on theirs."""
        keyed = [(self.number(*key, identity), i, t) for i, (identity, t) in enumerate(things)]
        return [thing for _, _, thing in sorted(keyed, key=lambda entry: entry[:2])]
