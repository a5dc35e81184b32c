"""What a way of choosing is, and the ways by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np

from data_cards.errors import BadInputError
from selector.clusters import Algorithm
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


def find_picker(method: str, options: Options) -> Picker:
    """The picker of this name.

    Raises:
        BadInputError: If there is none, or if an option was set that means nothing to it.
    """
    pickers = registry()
    if method not in pickers:
        close = difflib.get_close_matches(method, pickers, n=1)
        hint = f"Did you mean {close[0]}? " if close else ""
        raise BadInputError(
            f"unknown method {method!r}", f"{hint}Methods are: {', '.join(pickers)}."
        )
    picker = pickers[method]
    idle = [
        option.name
        for option in fields(options)
        if option.name not in picker.uses | ALWAYS_ALLOWED
        and not _same(getattr(options, option.name), option.default)
    ]
    if idle:
        raise BadInputError(
            f"method {method!r} does not use {', '.join(idle)}",
            f"Leave it out; {method} uses: {', '.join(sorted(picker.uses))}.",
        )
    return picker


def _same(value: object, default: object) -> bool:
    return value is default or (not isinstance(value, np.ndarray) and bool(value == default))
