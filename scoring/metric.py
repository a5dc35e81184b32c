"""What a metric is: a declaration and a function from samples to columns.

There are three kinds, by what they look at. An :class:`ImageMetric` sees one decoded image (and
runs in the decoding thread, once per distinct image). A :class:`SampleMetric` sees a batch of
samples, each by itself. A :class:`PoolMetric` sees the whole pool. All are registered by name
with :func:`register`; nothing else needs to know about a new one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeVar

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

    from scoring.encoders.base import ImageTextEncoder
    from scoring.judge.base import Judge
    from scoring.language_model import LanguageModel
    from scoring.pictures import Picture
    from scoring.reward_model import RewardModel

Direction = Literal["higher", "lower", "none"]
Need = Literal[
    "text",
    "image",
    "image_embedding",
    "text_embedding",
    "language_model",
    "reward_model",
    "judge",
    "pool",
]


@dataclass(frozen=True, slots=True)
class Column:
    """One column that a metric writes.

    Attributes:
        name: Column name, unique over all metrics, in snake case.
        description: What the number is, in one line, with its unit.
        range: Smallest and largest value that can occur (``inf`` where unbounded).
        direction: Whether higher or lower is better for training, or neither by itself.
        kind: Storage type.
    """

    name: str
    description: str
    range: tuple[float, float] = (-np.inf, np.inf)
    direction: Direction = "none"
    kind: Literal["float", "int", "bool", "string"] = "float"


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """The declaration that ``pickwell metrics`` prints and ``docs/metrics.md`` is made from."""

    name: str
    summary: str
    formula: str
    columns: tuple[Column, ...]
    needs: frozenset[Need]
    cost: str
    source: str


@dataclass(slots=True)
class Scores:
    """What a metric answers for n rows.

    Attributes:
        columns: Column name to n values; a missing value is ``None`` (or NaN in a float array).
        notes: Per row, why something is missing (``None`` where nothing is). A note explains a
            null; it does not make the row a bad one.
        retry: Per row, whether it failed only for now: it is null in this run and is not kept, so
            that the next run computes it again. ``None``: no row did.
    """

    columns: dict[str, Sequence[Any] | np.ndarray]
    notes: Sequence[str | None]
    retry: Sequence[bool] | None = None


@dataclass(slots=True)
class Batch:
    """Some rows, as a :class:`SampleMetric` sees them. Planted truth is never among them.

    Attributes:
        instructions: n instructions.
        responses: n responses (never empty: rows without one are bad and not scored).
        image_vectors: n arrays of shape (images of the row, dim), unit float32; an array with no
            rows where the sample has no image (or needs it not).
        embed_texts: Strings to unit float32 vectors of shape (len, dim), through the store, so
            that no string is encoded twice.
        pictures: n sequences of the row's images, each read and decoded only when it is asked to
            be.
    """

    instructions: Sequence[str]
    responses: Sequence[str]
    image_vectors: Sequence[np.ndarray] = ()
    embed_texts: Callable[[Sequence[str]], np.ndarray] | None = None
    pictures: Sequence[Sequence[Picture]] = ()

    def __len__(self) -> int:
        return len(self.responses)


@dataclass(slots=True)
class Pool:
    """The whole pool, as a :class:`PoolMetric` sees it; nothing in it need fit in memory.

    Attributes:
        ids: N ids, in input order.
        texts: Called, gives a fresh iterator over N pairs (instruction, response).
        image_embedding: (N, dim) float16 memory map, unit rows; NaN rows where there is none
            (several images: the renormalised mean). ``None`` without an encoder.
        text_embedding: The same for the response (renormalised mean of its pieces).
        status: N strings, ``"ok"`` or ``"bad"``.
        seed: For whatever must draw.
    """

    ids: Sequence[str]
    texts: Callable[[], Iterable[tuple[str, str]]]
    image_embedding: np.ndarray | None
    text_embedding: np.ndarray | None
    status: Sequence[str]
    seed: int = 0
    artefacts: dict[str, np.ndarray] = field(default_factory=dict)
    """Arrays a metric wants stored with the run (a PCA's components, centroids), by name."""


@dataclass(frozen=True, slots=True)
class Models:
    """The models that metrics run on, loaded on first use; keys are known without loading.

    Attributes:
        name: What was asked for.
        specs: Role to the spec that gives the same model again.
    """

    name: str
    encoder: ImageTextEncoder | None = None
    language_model: LanguageModel | None = None
    reward: RewardModel | None = None
    judge: Judge | None = None
    specs: Mapping[str, str] = field(default_factory=dict)


class Metric(Protocol):
    """What all kinds share."""

    spec: ClassVar[MetricSpec]
    version: ClassVar[int]

    def parameters(self) -> Mapping[str, Any]:
        """Everything that changes the numbers: options, and the keys of the models used."""


class ImageMetric(Metric, Protocol):
    """One decoded image to its columns."""

    def measure(self, image: Image, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Measure one RGB image; ``facts`` holds width, height, mode, format, frames."""


class SampleMetric(Metric, Protocol):
    """A batch of samples to columns; a row's answer never depends on the other rows."""

    def score(self, batch: Batch) -> Scores:
        """Score ``len(batch)`` rows."""


class PoolMetric(Metric, Protocol):
    """The whole pool to columns; permuting the rows permutes the answer and changes nothing."""

    def score(self, pool: Pool) -> Scores:
        """Score all rows of the pool."""


_REGISTRY: dict[str, Callable[[Models], Metric]] = {}
Factory = TypeVar("Factory", bound=Callable[..., Any])


def register(metric: Factory) -> Factory:
    """Class decorator: make a metric known under ``metric.spec.name``.

    The class is called with one argument, the :class:`Models` of the run.
    """
    name = metric.spec.name  # type: ignore[attr-defined]
    if name in _REGISTRY:
        raise ValueError(f"two metrics are called {name!r}")
    _REGISTRY[name] = metric
    return metric


def registry() -> Mapping[str, Callable[[Models], Metric]]:
    """All metrics by name (importing the package's own first)."""
    import scoring.metrics  # noqa: F401  (registers them)

    return _REGISTRY


def metric_key(metric: Metric) -> str:
    """Hash of a metric's whole configuration: 16 hexadecimal digits.

    Equal keys mean equal numbers, so stored results with this key can be used again; adding or
    changing one metric leaves every other key as it was.
    """
    identity = [metric.spec.name, metric.version, dict(metric.parameters())]
    text = json.dumps(identity, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
