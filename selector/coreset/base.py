"""What the methods of the shelf share: what they see, what they answer, and how they are known.

A method sees the rows of a :class:`Pool` in an order that depends on their ids alone, and answers
with positions in picking order. What is equal to it, it takes in the order of the rows: ties are
thereby broken by a hash of the id, and no permutation of the input changes an answer.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np

from data_cards.errors import BadInputError
from data_cards.meant import meant
from selector.coreset.options import Option, declared_options, told

Need = Literal["features", "scores", "labels"]
BLOCK = 4096
"""Rows held as float32 at a time."""
FEWEST = 4
"""Significant digits of a number in a reason."""


@dataclass(frozen=True)
class Pool:
    """What a method chooses from: n rows, already in their canonical order.

    Attributes:
        features: (n, d) float16 to float64, array or memory map, finite; ``None``: there are none.
        scores: (n,) float64 difficulty, finite; **higher is harder**, whatever it is.
        labels: (n,) whole numbers from 0 up.
        size: n, where none of these says it.
    """

    features: np.ndarray | None = None
    scores: np.ndarray | None = None
    labels: np.ndarray | None = None
    size: int = 0

    def __len__(self) -> int:
        there = (self.features, self.scores, self.labels)
        return next((len(given) for given in there if given is not None), self.size)

    def rows(self, positions: np.ndarray) -> np.ndarray:
        """Features of some rows, float32."""
        assert self.features is not None
        return np.asarray(self.features[positions], dtype=np.float32)


@dataclass(frozen=True)
class Told:
    """What a method has to say of the rows that it saw, picked or not; each of length n.

    Attributes:
        values: float64, what it measured of each when the picks were made, in the unit that its
            reasons declare; NaN: nothing.
        kind: Whole numbers: which of ``kinds`` holds of a row; negative: none.
        kinds: In words.
        rival: The row that stands for each, or that it is most like; negative: none.
        similarity: Cosine with it.
        copy: True where a row went because of its likeness to its rival, and for nothing else.
        digits: Whole numbers: significant digits of its numbers where :data:`FEWEST` do not tell
            them from what they are held against.
    """

    values: np.ndarray | None = None
    kind: np.ndarray | None = None
    kinds: Sequence[str] = ()
    rival: np.ndarray | None = None
    similarity: np.ndarray | None = None
    copy: np.ndarray | None = None
    digits: np.ndarray | None = None


@dataclass(frozen=True)
class Picks:
    """What a method answers.

    Attributes:
        rows: (k,) distinct positions, first pick first.
        gains: (k,) float64, what each was picked for, in the unit that the method declares.
        weights: (k,) how many rows each stands for, where the method says so.
        notes: What else it found, by name; see :attr:`Method.finds`.
        told: What it has to say of every row.
    """

    rows: np.ndarray
    gains: np.ndarray
    weights: np.ndarray | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)
    told: Told | None = None


class Pick(Protocol):
    """The signature of every method.

    Options are keyword arguments with defaults, declared as :mod:`selector.coreset.options` says;
    they are checked before the method is called.
    """

    def __call__(self, pool: Pool, count: int, rng: np.random.Generator, **options: Any) -> Picks:
        """Pick ``count`` rows, 1 to ``len(pool)``; draw, if at all, from ``rng``."""


@dataclass(frozen=True)
class Method:
    """One method and what ``pickwell methods`` says of it.

    Attributes:
        name: As it is asked for.
        pick: The function.
        needs: What the pool must hold.
        keeps: What it is after, in a few words.
        cost: Time and memory, n rows, d dimensions, k picks.
        good_when: When it is a good idea, and when not.
        gain: What ``gains`` are.
        source: Paper and equation.
        prefix: Whether the first k of more picks are the picks for k, for the same generator.
        unless: With which options they are not, in words; empty: with none.
        kept: What is said of a pick, the first of these whose every part is known:
            ``{gain}``, of :class:`Told` ``{value}``, ``{kind}``, ``{rival}`` and ``{cosine}``,
            ``{score}`` (its name and value), ``{place}`` and ``{among}`` (of how many, 1 is the
            hardest). By default the gain.
        left: The same of a row that is not picked; it has no gain. By default nothing.
        finds: What each of the notes is, in words.
    """

    name: str
    pick: Pick
    needs: frozenset[Need]
    keeps: str
    cost: str
    good_when: str
    gain: str
    source: str
    prefix: bool
    unless: str = ""
    kept: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    finds: Mapping[str, str] = field(default_factory=dict)

    @property
    def order(self) -> str:
        """What holds of the order of picking, in words."""
        if not self.prefix:
            return "another for each budget"
        return "the first of more are the picks for fewer" + (self.unless and f", {self.unless}")

    @cached_property
    def options(self) -> dict[str, Option]:
        """Its options by name."""
        return declared_options(self.pick)

    @property
    def defaults(self) -> dict[str, Any]:
        """What its options are where they are not given."""
        return {name: one.default for name, one in self.options.items()}

    def checked(self, options: Mapping[str, Any], *, typed: bool = False) -> dict[str, Any]:
        """The options that are given, each of its kind and in its range.

        Args:
            options: By name.
            typed: They were typed, or stand in a file.

        Raises:
            BadInputError: There is no such option, it is only for Python, or it cannot be this.
        """
        for name in options:
            if name not in self.options:
                known = [one.name for one in self.options.values() if one.typed or not typed]
                all_of_them = f"Its options are: {', '.join(known)}." if known else "It has none."
                raise BadInputError(
                    f"method {self.name!r} has no option {name}", meant(name, known) or all_of_them
                )
            if typed and not self.options[name].typed:
                raise BadInputError(
                    f"method {self.name!r}: {name} is an option only in Python",
                    f"selector.coreset.choose(..., {name}=...): {self.options[name].meaning}.",
                )
        return {
            name: self.options[name].checked(self.name, value) for name, value in options.items()
        }


_METHODS: dict[str, Method] = {}


def method(
    name: str, *, needs: tuple[Need, ...] = (), keeps: str, cost: str, good_when: str, gain: str,
    source: str, prefix: bool = True, unless: str = "", kept: tuple[str, ...] = (),
    left: tuple[str, ...] = (), finds: Mapping[str, str] | None = None,
) -> Callable[[Any], Any]:  # fmt: skip
    """Decorator: make a function known as a method, and let its docstring tell its options."""

    def known(pick: Any) -> Any:
        if name in _METHODS:
            raise ValueError(f"two methods are called {name!r}")
        made = Method(
            name, pick, frozenset(needs), keeps, cost, good_when, gain, source, prefix, unless,
            kept or (f"gain {{gain}} ({gain})",), left, finds or {},
        )  # fmt: skip
        pick.__doc__ = inspect.cleandoc(pick.__doc__ or "") + told(made.options)
        _METHODS[name] = made
        return pick

    return known


def methods() -> Mapping[str, Method]:
    """All methods by name."""
    import selector.coreset  # noqa: F401  (registers them)

    return dict(sorted(_METHODS.items()))


def find_method(name: str) -> Method:
    """The method of this name.

    Raises:
        BadInputError: There is none.
    """
    known = methods()
    if name not in known:
        raise BadInputError(
            f"unknown method {name!r}", meant(name, known) or f"Methods are: {', '.join(known)}."
        )
    return known[name]
