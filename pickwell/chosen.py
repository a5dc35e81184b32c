"""What was chosen before: the picks of a selection, in the runs that they came from."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_cards.errors import BadInputError
from pickwell.config import SelectConfig
from pickwell.config_file import checked

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from scoring.run import Run
    from selector.selection import Candidates, Selection

ORIGINS = "origins.parquet"


@dataclass(frozen=True)
class Chosen:
    """A selection folder, opened together with its runs.

    Attributes:
        folder: The selection folder.
        manifest: Its ``manifest.json``.
        selection: Its table.
        settings: How it was chosen.
        runs: The run that was chosen from; then those that were added to it, in order.
        run_of: (k,) number of the run of each pick, first pick first.
        row_of: (k,) position of each pick in its run.
    """

    folder: Path
    manifest: dict[str, Any]
    selection: Selection
    settings: SelectConfig
    runs: tuple[Run, ...]
    run_of: np.ndarray
    row_of: np.ndarray

    @property
    def picks(self) -> pa.Table:
        """The rows of the table that were chosen, first pick first."""
        import pyarrow.compute as pc

        table = self.selection.table
        return table.filter(pc.equal(table["stage"], "chosen")).sort_by("rank")

    def candidates(self) -> Candidates:
        """The picks with their vectors and content, first pick first."""
        import numpy as np

        from pickwell.judging import Judged, make_candidates
        from selector.selection import Candidates
        from selector.stacked import StackedRows

        picks = self.picks
        content = np.full(len(picks), None, dtype=object)
        for number, run in enumerate(self.runs):
            nothing = np.full(len(run.scores), None, dtype=object)
            bare = Judged(np.zeros(len(nothing)), nothing, np.zeros(len(nothing), bool), [], [])
            here = self.run_of == number
            content[here] = make_candidates(run, bare).content[self.row_of[here]]  # type: ignore[index]
        vectors: dict[str, Any] = {}
        for name in ("image", "text"):
            parts = [
                (self.runs[int(self.run_of[span.start])].embedding(name), self.row_of[span])
                for span in _spans(self.run_of)
            ]
            missing = not parts or any(matrix is None for matrix, _ in parts)
            vectors[name] = None if missing else StackedRows(parts)  # type: ignore[arg-type]
        return Candidates(
            ids=np.asarray(picks["id"].to_pylist(), dtype=object),
            quality=picks["quality"].to_numpy(zero_copy_only=False).astype(np.float64),
            refused=np.full(len(picks), None, dtype=object),
            failed=np.zeros(len(picks), dtype=bool),
            image_vectors=vectors["image"],
            text_vectors=vectors["text"],
            content=content,
        )


def is_selection(folder: Path) -> bool:
    """Whether a folder holds a selection (and not a run)."""
    return (folder / "selection.parquet").is_file() and (folder / "manifest.json").is_file()


def open_chosen(folder: Path) -> Chosen:
    """Open a selection together with its runs.

    Raises:
        BadInputError: If there is no selection, or a run of it is gone or was scored again.
    """
    import numpy as np
    import pyarrow.parquet as pq

    from pickwell.selection_files import open_selection
    from scoring.reference.base import manifest_of

    selection = open_selection(folder)
    manifest = manifest_of(folder, "manifest.json")
    if "run" not in manifest:
        raise BadInputError(
            f"{folder}/manifest.json names no run.", "Select again with `pickwell select`."
        )
    described = manifest.get("runs") or [
        {"folder": manifest["run"], "sha256": manifest.get("run_sha256")}
    ]
    runs = tuple(_unchanged(folder, Path(d["folder"]), d["sha256"]) for d in described)
    settings = checked(SelectConfig, manifest["options"], str(folder / "manifest.json"))
    ids = selection.ids
    run_of = np.zeros(len(ids), dtype=np.int64)
    names = ids
    if (folder / ORIGINS).is_file():
        origins = pq.read_table(folder / ORIGINS)
        values = (origins[name].to_pylist() for name in ("id", "run", "id_in_run"))
        found = {id_: (run, name) for id_, run, name in zip(*values, strict=True)}
        run_of = np.array([found[id_][0] for id_ in ids], dtype=np.int64)
        names = [found[id_][1] for id_ in ids]
    places: list[dict[str, int]] = []
    for run in runs:
        places.append({id_: row for row, id_ in enumerate(run.scores["id"].to_pylist())})
    try:
        rows = [places[number][name] for number, name in zip(run_of, names, strict=True)]
    except KeyError as error:
        raise BadInputError(
            f"{folder} chose {error.args[0]!r}, which its run does not hold.",
            "Select again with `pickwell select`.",
        ) from error
    row_of = np.array(rows, dtype=np.int64)
    return Chosen(folder, manifest, selection, settings, tuple(runs), run_of, row_of)


def _unchanged(folder: Path, run: Path, stated: str | None) -> Run:
    from scoring.reference.base import run_digest
    from scoring.run import Run

    if not (run / "run.json").is_file():
        raise BadInputError(
            f"The run {run}, from which {folder} was chosen, is not there.",
            "Put it back (its path counts from the folder where the command was typed), or score "
            "and select again.",
        )
    opened = Run.open(run)
    if stated is not None and stated != run_digest(run):
        raise BadInputError(
            f"{run} was scored again after {folder} was chosen from it.",
            "Select again with `pickwell select`.",
        )
    return opened


def _spans(numbers: np.ndarray) -> list[slice]:
    """Stretches of equal numbers."""
    import numpy as np

    if not len(numbers):
        return []
    cuts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
    return [slice(a, b) for a, b in pairwise(cuts)]
