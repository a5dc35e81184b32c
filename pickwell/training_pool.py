"""The rows of a run that can be trained on, and what is known about them without training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from data_cards.errors import BadInputError
from pickwell.config import SelectConfig
from pickwell.words import many

if TYPE_CHECKING:
    import numpy as np

    from data_cards.sample import Sample
    from pickwell.judging import Judged
    from scoring.run import Run
    from selector.selection import Candidates


@dataclass(frozen=True)
class TrainingPool:
    """Part of a run.

    Attributes:
        run: The run.
        rows: (n,) positions in the run, ascending.
        ids: n ids.
        judged: Consensus and floors over the whole run.
        candidates: The whole run, as choosing sees it.
        left_out: Why rows of the run are not among them, to how many.
    """

    run: Run
    rows: np.ndarray
    ids: tuple[str, ...]
    judged: Judged
    candidates: Candidates
    left_out: Mapping[str, int] = field(default_factory=dict)

    def left_out_in_words(self) -> list[str]:
        """Why rows of the run are not trained on; empty where all are."""
        parts = [f"{many(count, 'row')} {why}" for why, count in self.left_out.items() if count]
        return [f"Not trained on: {', '.join(parts)}."] if parts else []

    @cached_property
    def contents(self) -> dict[str, str]:
        """Id to a hash of text and pictures."""
        content = self.run.samples(["content"])["content"].to_pylist()
        return {id_: content[row].hex() for id_, row in zip(self.ids, self.rows, strict=True)}

    def samples(self) -> Iterator[Sample]:
        """The samples, read again from the run's input; ids are the run's."""
        from pickwell.selection_job import source_of_run

        names = self.run.samples(["row"])["row"].to_pylist()
        wanted = {int(names[row]): id_ for row, id_ in zip(self.rows, self.ids, strict=True)}
        for sample in source_of_run(self.run).samples():
            if sample.row in wanted:
                yield replace(sample, id=wanted[sample.row])

    def features(self) -> tuple[np.ndarray, list[str]]:
        """Metrics as standardised percentiles, and whether a floor refuses the row.

        Percentiles, since a few extreme values would decide a linear fit; a missing value gets
        the mean; what is the same everywhere is left out.

        Returns:
            (n, k) float64 without NaN, and k names.
        """
        import numpy as np

        from scoring.quality.consensus import percentile_ranks

        numbers = self.run.numeric()
        wanted = dict.fromkeys([*metric_columns(self.run), *self.judged.columns])
        columns = {
            name: percentile_ranks(numbers[name][self.rows]) for name in wanted if name in numbers
        }
        refused = np.array([reason is not None for reason in self.judged.refused[self.rows]])
        columns["refused by a floor"] = refused.astype(float)
        made, names = [], []
        for name, values in columns.items():
            known = np.isfinite(values)
            if known.any() and values[known].std() > 1e-9:
                center, scale = values[known].mean(), values[known].std()
                made.append(np.where(known, (values - center) / scale, 0.0))
                names.append(name)
        stacked = np.stack(made, axis=1) if made else np.zeros((len(self.rows), 0))
        return stacked, names

    def scores(self) -> dict[str, np.ndarray]:
        """What labels are compared with: the consensus and its metrics, higher is better."""
        import numpy as np

        numbers, declared = self.run.numeric(), self.run.columns()
        quality = np.asarray(self.judged.quality, float)
        refused = np.array([reason is not None for reason in self.judged.refused])
        quality = np.where(np.isnan(quality) & refused, 0.0, quality)  # below all others
        found = {"consensus": quality[self.rows]}
        for name in self.judged.columns:
            if name in declared and declared[name].direction != "none":
                sign = -1 if declared[name].direction == "lower" else 1
                found[name] = sign * numbers[name][self.rows]
        return found

    def content(self, count: int, seed: int) -> np.ndarray:
        """(n,) cluster of content of each row; all the same where there are no embeddings."""
        import numpy as np

        from selector.clusters import cluster
        from selector.vectors import resolve_space

        space = resolve_space(self.candidates, None)
        if space is None:
            return np.zeros(len(self.rows), int)
        made = cluster(self.candidates, self.rows, count, space=space, seed=seed)
        return np.asarray(made.labels[self.rows])


def training_pool(
    run: Run, *, text_only: bool = False, above_floors: bool = False, minimum: int = 2
) -> TrainingPool:
    """Rows that are not bad and hold an image.

    Args:
        run: The run.
        text_only: Rows without an image as well.
        above_floors: Only rows that no default floor refuses.
        minimum: Fewest rows.

    Raises:
        BadInputError: Too few rows are left.
    """
    import numpy as np

    from pickwell.judging import judge, make_candidates

    judged = judge(run, SelectConfig(quality="consensus"))
    keys = run.samples(["image_keys"])["image_keys"].to_pylist()
    seen = np.array([text_only or bool(found) for found in keys])
    fits = seen & ~judged.failed
    left_out = {
        "without image (--text-only takes them)": int((~seen & ~judged.failed).sum()),
        "marked bad": int(judged.failed.sum()),
    }
    if above_floors:
        above = np.array([reason is None for reason in judged.refused])
        left_out["refused by a floor"] = int((fits & ~above).sum())
        fits &= above
    rows = np.flatnonzero(fits)
    if len(rows) < minimum:
        raise BadInputError(
            f"{run.folder} holds {len(rows)} rows that can be trained on.",
            "Rows need an image and a response; --text-only takes rows without image too.",
        )
    ids = run.scores["id"].to_pylist()
    named = tuple(ids[row] for row in rows)
    return TrainingPool(run, rows, named, judged, make_candidates(run, judged), left_out)


def metric_columns(run: Run) -> list[str]:
    """Columns of metrics that look at a sample by itself, and imported ones."""
    from scoring.metric import registry

    known = registry()
    found = []
    for name in run.manifest["metrics"]:
        spec = known[name].spec if name in known else None  # type: ignore[attr-defined]
        if spec is None or name == "embedding" or "pool" in spec.needs:
            continue
        found += [c.name for c in spec.columns if not c.name.endswith("_release")]
    return found + list(run.manifest.get("imported", {}).get("columns", []))
