"""What the report draws: every number is worked out before it comes here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NotRequired, TypedDict

Direction = Literal["higher", "lower", "none"]


class Comparison(TypedDict):
    """One measure of the chosen beside random picks of the same number.

    ``random_low`` and ``random_high`` bound the interval over ``seeds`` draws; ``note`` says in
    words what the measure or the interval is. ``total`` is the count in the whole pool (truth
    rows only). A number that is not known is ``None``. ``constant``: the measure is the same
    in every row, so that no choice could change it.
    """

    name: str
    chosen: float | None
    random_mean: float | None
    random_low: float | None
    random_high: float | None
    seeds: int
    direction: Direction
    note: NotRequired[str]
    total: NotRequired[float | None]
    constant: NotRequired[bool]


class MetricNote(TypedDict):
    """How one column is made; ``name`` is a key of :attr:`ReportRows.values`."""

    name: str
    description: str
    direction: Direction
    range: NotRequired[tuple[float, float] | str | None]
    formula: NotRequired[str]
    source: NotRequired[str]


class Quota(TypedDict):
    """One cluster: rows that could be chosen, places granted, places taken, its exemplar's id."""

    cluster: int
    size: int
    places: int
    taken: int
    label: NotRequired[str | None]


class Chapter(TypedDict):
    """What was learned before the choice, or came of it: sentences, and a small table.

    ``head`` names the columns; each row has as many cells, the first of which is its name.
    """

    title: str
    text: Sequence[str]
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class ReportRows:
    """N rows as columns (lists or one-dimensional arrays); ``None`` and NaN mean missing.

    Attributes:
        id: Distinct ids.
        source: Data set of each row.
        stage: Where each row ended: ``failed``, ``floored``, ``duplicate``, ``not chosen`` or
            ``chosen``.
        rank: Order of picking, 1 first; missing unless chosen.
        quality: Higher is better.
        cluster: Cluster number.
        reason: Why chosen or why not, in words.
        rival: Id of the row that stands for it (duplicate) or beat it (near-miss).
        similarity: Cosine with the rival.
        instruction: Full text.
        response: Full text.
        note: A read error, or why a number is missing.
        values: Column name to N numbers, booleans or strings.
        x: Horizontal place on the map, in [0, 1]; ``None`` for no map at all.
        y: Vertical place on the map, in [0, 1].
        thumbnail: Encoded small WebP, JPEG or PNG; equal bytes are stored once.
        image: File name of the (first) image; empty where not given.
    """

    id: Sequence[str]
    source: Sequence[str]
    stage: Sequence[str]
    rank: Sequence[int | None]
    quality: Sequence[float | None]
    cluster: Sequence[int | None]
    reason: Sequence[str | None]
    rival: Sequence[str | None]
    similarity: Sequence[float | None]
    instruction: Sequence[str | None]
    response: Sequence[str | None]
    note: Sequence[str | None]
    thumbnail: Sequence[bytes | None]
    values: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    x: Sequence[float | None] | None = None
    y: Sequence[float | None] | None = None
    image: Sequence[str | None] | None = None

    def __len__(self) -> int:
        return len(self.id)

    def __post_init__(self) -> None:
        names = [name for name in self.__slots__ if name not in ("id", "values")]
        columns = {name: getattr(self, name) for name in names} | dict(self.values)
        for name, column in columns.items():
            if column is not None and len(column) != len(self.id):
                raise ValueError(f"{name!r} has {len(column)} values for {len(self.id)} rows")
        if (self.x is None) != (self.y is None):
            raise ValueError("a map needs both x and y")


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything on the page.

    Attributes:
        title: Heading, usually the name of the pool.
        created: When, as it shall be printed.
        command: The command line that makes this selection again.
        versions: Package to version.
        facts: (label, value): input, how its format was recognised, models, seed, budget, ...
        funnel: (stage, count, explanation): ``read`` first, then every stage of the rows.
        rows: All rows, or as many of them as the page shall hold.
        metrics: How each number is made, in the order in which the columns are shown.
        baseline: Chosen beside random at the same budget.
        truth: The same for known defects, where the truth is known (the demo only); the first
            row is all of them together, and is told at the top of the page.
        floors: The floors that were applied, in words.
        quotas: The clusters.
        limits: What this page does not show or prove, in words.
        chapters: The fitted quality, the fine-tuned model, the next batch: what there is of them.
        dropped_thumbnails: Images left out to keep the file small.
    """

    title: str
    created: str
    command: str
    versions: Mapping[str, str]
    facts: Sequence[tuple[str, str]]
    funnel: Sequence[tuple[str, int, str]]
    rows: ReportRows
    metrics: Sequence[MetricNote] = ()
    baseline: Sequence[Comparison] = ()
    truth: Sequence[Comparison] | None = None
    floors: Sequence[str] = ()
    quotas: Sequence[Quota] = ()
    limits: Sequence[str] = ()
    chapters: Sequence[Chapter] = ()
    dropped_thumbnails: int = 0
