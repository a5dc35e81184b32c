"""What an evaluation says: figures with intervals, differences, and one row per sample."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pyarrow as pa

Direction = Literal["higher", "lower", "none"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its 95 % interval.

    Attributes:
        name: Key in :attr:`Evaluation.figures`.
        value: ``None`` where nothing could be measured.
        low: Lower end; ``None`` where there are fewer than two independent images.
        high: Upper end.
        samples: Samples that count.
        clusters: Independent images among them.
        unit: Of value and interval.
        direction: Which way is better.
        what: What it is, in one sentence.
        chance: What guessing reaches, where that is known.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    samples: int
    clusters: int
    unit: str
    direction: Direction
    what: str
    chance: float | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of the model minus the same of the baseline, on the samples of both.

    Attributes:
        name: Of the figure.
        value: The difference; ``None`` where no sample has both.
        low: Lower end of the paired 95 % interval.
        high: Upper end.
        samples: Samples that both measured.
        clusters: Independent images among them.
        unit: Of value and interval.
        direction: Which way is better.
        verdict: ``better`` or ``worse`` where the interval leaves out zero, ``no difference
            shown`` where it does not, ``not known`` with fewer than six images.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    samples: int
    clusters: int
    unit: str
    direction: Direction
    verdict: Literal["better", "worse", "different", "no difference shown", "not known"]


@dataclass(frozen=True)
class Evaluation:
    """An evaluation, as ``evaluation.json`` holds it.

    Attributes:
        model: What the model was asked for as.
        figures: By name: ``nll``, ``two_choice_mean``, ``exact`` and others.
        per_sample: One row per sample: likelihoods, scores, outputs, status and error.
        manifest: Data, models, seeds, versions, options, what was left out.
        baseline: The other model's figures, if one was compared.
        differences: Model minus baseline, by name.
        baseline_per_sample: The other model's rows.
        by_source: Figures of each source, where there are several.
        folder: Where it was written, if it was.
    """

    model: str
    figures: dict[str, Figure]
    per_sample: pa.Table
    manifest: dict[str, Any]
    baseline: dict[str, Figure] | None = None
    differences: dict[str, Difference] = field(default_factory=dict)
    baseline_per_sample: pa.Table | None = None
    by_source: dict[str, dict[str, Figure]] = field(default_factory=dict)
    folder: Path | None = None

    @property
    def left_out(self) -> list[tuple[str, str]]:
        """Id and reason of every sample that could not be measured."""
        rows = self.per_sample.select(["id", "status", "error"]).to_pylist()
        return [(row["id"], row["error"]) for row in rows if row["status"] == "bad"]

    def to_dict(self) -> dict[str, Any]:
        """Everything but the rows, as JSON holds it."""

        def plain(figures: dict[str, Any]) -> dict[str, Any]:
            return {name: asdict(figure) for name, figure in figures.items()}

        return {
            "model": self.model,
            "figures": plain(self.figures),
            "baseline": plain(self.baseline) if self.baseline is not None else None,
            "differences": plain(self.differences),
            "by_source": {source: plain(figures) for source, figures in self.by_source.items()},
            "left_out": [{"id": id_, "reason": reason} for id_, reason in self.left_out],
            **self.manifest,
        }
