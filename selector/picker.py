"""What a way of choosing is, and the ways by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np

from data_cards.errors import BadInputError
from data_cards.meant import meant
from selector.clusters import Algorithm
from selector.coreset.base import Method, methods
from selector.coreset.typed import SYNTAX, Typed, read_typed
from selector.duplicates import NearDuplicate
from selector.selection import Candidates, Selection
from selector.vectors import Space

DEFAULT_NEAR_DUPLICATE = NearDuplicate()
CLUSTER_OPTIONS = frozenset({"clusters", "algorithm", "space", "image_weight"})
QUOTA_OPTIONS = frozenset({"tempering", "max_share"})
ALWAYS_ALLOWED = frozenset({"seed", "near_misses"})


@dataclass(frozen=True)
class Options:
    """Everything that a picker can be told; each picker names the ones it uses.

    Attributes:
        seed: Of clusters, of ties and of draws.
        clusters: How many (``None``: by the budget), or a label from 0 up for each candidate.
        algorithm: ``"kmeans"`` or ``"spectral"``.
        space: ``"image"``, ``"text"``, ``"both"``; ``None``: whatever vectors there are.
        image_weight: Share of the image in the space ``"both"``.
        near_duplicate: When two samples count as nearly the same; ``None``: they never do.
        tempering: Exponent on cluster sizes in the quotas: 1 proportional, 0 equal.
        max_share: Largest part of the budget for one cluster.
        near_misses: For how many of the not chosen (the best of each cluster first) the most
            similar chosen sample of the same cluster is looked up.
        quotas: Whether random draws keep to the clusters' quotas.
        floors: Whether random draws respect floors, and take of equal samples only one.
        oversample: The constant 204 of the published rule.
        own: Options of a method of the shelf, as :mod:`selector.coreset` has them.
    """

    seed: int = 0
    clusters: int | np.ndarray | None = None
    algorithm: Algorithm = "kmeans"
    space: Space | None = None
    image_weight: float = 0.5
    near_duplicate: NearDuplicate | None = DEFAULT_NEAR_DUPLICATE
    tempering: float = 1.0
    max_share: float = 1.0
    near_misses: int = 20_000
    quotas: bool = False
    floors: bool = True
    oversample: int = 204
    own: Mapping[str, Any] = field(default_factory=dict)


class Picker(Protocol):
    """One way of choosing."""

    name: ClassVar[str]
    summary: ClassVar[str]
    """What it does, in one line, for ``--method`` and its help."""
    uses: ClassVar[frozenset[str]]
    """Names of the :class:`Options` that change its answer."""

    def pick(self, candidates: Candidates, budget: int, options: Options) -> Selection:
        """Choose ``budget`` of the candidates; the order of the rows changes nothing."""


_REGISTRY: dict[str, Picker] = {}
Kind = TypeVar("Kind", bound=type[Any])


def register(picker: Kind) -> Kind:
    """Class decorator: make a picker known under its name."""
    made: Picker = picker()
    if made.name in _REGISTRY:
        raise ValueError(f"two pickers are called {made.name!r}")
    _REGISTRY[made.name] = made
    return picker


def registry() -> Mapping[str, Picker]:
    """All pickers by name (importing the package's own first)."""
    import selector.pick
    import selector.random_picks
    import selector.release
    import selector.shelf_picks  # noqa: F401  (registers them)

    return dict(sorted(_REGISTRY.items()))


def find_picker(method: str, options: Options) -> tuple[Picker, Options]:
    """The picker of this name, and the options with those that the name brings.

    Args:
        method: ``clusters``, ``graph-cut``, ``graph-cut:neighbours=8,weight=3``.
        options: Given beside it.

    Raises:
        BadInputError: If there is none, or if an option was set that means nothing to it.
    """
    typed = read_typed(method)
    pickers = registry()
    if typed.name not in pickers:
        raise _unknown(typed.name, pickers)
    picker = pickers[typed.name]
    if "own" in picker.uses:
        options = replace(options, own=_own(methods()[typed.name], typed, options))
    elif typed.words or typed.options:
        raise BadInputError(
            f"method {typed.name!r} takes nothing behind a colon",
            f"Its options are given by themselves; behind a colon only those of {_shelf(pickers)}.",
        )
    plain = Options()
    idle = [
        option.name
        for option in fields(options)
        if option.name not in picker.uses | ALWAYS_ALLOWED
        and not _same(getattr(options, option.name), getattr(plain, option.name))
    ]
    if idle:
        raise BadInputError(
            f"method {typed.name!r} does not use {', '.join(idle)}",
            f"Leave it out; {typed.name} uses: {', '.join(sorted(picker.uses))}.",
        )
    return picker, options


def _own(method: Method, typed: Typed, options: Options) -> dict[str, Any]:
    """Options of a method of the shelf, checked."""
    if typed.words:
        raise BadInputError(
            f"method {method.name!r}: {typed.words[0]!r} is not OPTION=VALUE",
            "Here it ranks by quality, and by no score: leave that out."
            if "scores" in method.needs
            else SYNTAX,
        )
    twice = sorted(set(options.own) & set(typed.options))
    if twice:
        raise BadInputError(
            f"{twice[0]} is given twice, in the method and in `own`", "Say it once."
        )
    return method.checked({**options.own, **typed.options}, typed=True)


def _unknown(name: str, pickers: Mapping[str, Picker]) -> BadInputError:
    """Why there is no such way of choosing."""
    method = methods().get(name)
    if method is None:
        every = f"Methods are: {', '.join(pickers)}."
        return BadInputError(f"unknown method {name!r}", meant(name, pickers) or every)
    why = "ranks by how hard samples are to a classifier, which instruction data do not say"
    if "labels" in method.needs:
        why = "needs the class of each sample, which instruction data do not say"
    return BadInputError(
        f"method {name!r} {why}",
        f"It is for pictures: `pickwell prune --by {name}`. Taken here: {_shelf(pickers)}, "
        "random; and `top`, the highest quality.",
    )


def _shelf(pickers: Mapping[str, Picker]) -> str:
    return ", ".join(name for name, one in pickers.items() if "own" in one.uses)


def _same(value: object, default: object) -> bool:
    return value is default or (not isinstance(value, np.ndarray) and bool(value == default))
