"""The rows of an extended selection, from all the runs that they came from, as one run."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scoring.run import Run

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass(frozen=True)
class Part:
    """Some rows of one run.

    Attributes:
        run: The run.
        rows: (m,) positions in it.
        ids: What they are called here.
    """

    run: Run
    rows: np.ndarray
    ids: list[str]


@dataclass(frozen=True)
class JoinedRun(Run):
    """Rows of several runs of the same models, read as one run.

    Attributes:
        parts: What it is made of, in order; folder and manifest are the last one's.
    """

    parts: tuple[Part, ...] = ()

    @cached_property
    def scores(self) -> pa.Table:
        """The ScoreTable of all parts; null in a column that a part lacks."""
        import pyarrow as pa

        tables = [_named(part.run.scores.take(pa.array(part.rows)), part) for part in self.parts]
        return pa.concat_tables(tables, promote_options="permissive")

    def samples(self, columns: list[str] | None = None) -> pa.Table:
        """What each row is; ``row`` is the row in the part's own input."""
        import pyarrow as pa

        tables = [
            _named(part.run.samples(columns).take(pa.array(part.rows)), part) for part in self.parts
        ]
        return pa.concat_tables(tables, promote_options="permissive")

    def embedding(self, name: str) -> np.ndarray | None:
        """Vectors of all parts, read when rows are asked for; ``None`` if a part has none."""
        from selector.stacked import StackedRows

        matrices = [(part.run.embedding(name), part.rows) for part in self.parts]
        if any(matrix is None for matrix, _ in matrices):
            return None
        return StackedRows(matrices)  # type: ignore[arg-type, return-value]

    def thumbnails(self, keys: Collection[bytes] | None = None) -> dict[bytes, bytes]:
        """Image key to the encoded thumbnail, of all parts; only ``keys`` where they are given."""
        pictures: dict[bytes, bytes] = {}
        for part in self.parts:
            pictures |= part.run.thumbnails(keys)
        return pictures


def join(parts: list[Part]) -> JoinedRun:
    """Parts as one run."""
    last = parts[-1].run
    return JoinedRun(last.folder, last.manifest, tuple(parts))


def open_joined(folder: Path) -> JoinedRun:
    """The rows of an extended selection's table as a run.

    Raises:
        BadInputError: If one of its runs is gone or was scored again.
    """
    import numpy as np
    import pyarrow.parquet as pq

    from pickwell.chosen import ORIGINS, open_chosen

    runs = open_chosen(folder).runs
    origins = pq.read_table(folder / ORIGINS)
    ids, numbers, names = (origins[name].to_pylist() for name in ("id", "run", "id_in_run"))
    parts = []
    for number, run in enumerate(runs):
        place = {id_: row for row, id_ in enumerate(run.scores["id"].to_pylist())}
        here = [at for at, found in enumerate(numbers) if found == number]
        rows = np.array([place[names[at]] for at in here], dtype=np.int64)
        parts.append(Part(run, rows, [ids[at] for at in here]))
    return join(parts)


def _named(table: pa.Table, part: Part) -> pa.Table:
    import pyarrow as pa

    if "id" not in table.column_names:
        return table
    at = table.column_names.index("id")
    ids: Any = pa.array(part.ids, pa.string())
    return table.set_column(at, "id", ids)
