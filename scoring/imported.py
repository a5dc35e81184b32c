"""Columns that were computed elsewhere, joined to a run by id."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from data_cards.counted import counted
from data_cards.errors import BadInputError


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import gave.

    Attributes:
        columns: Name to one float64 value per row of the run, null where missing.
        notes: Per row, why something is missing.
        matched: Rows of the run that the file knows.
        unknown: Ids of the file that the run does not know.
    """

    columns: dict[str, pa.Array]
    notes: list[str | None]
    matched: int
    unknown: int


def read_imported(path: Path, ids: list[str], taken: set[str]) -> Imported:
    """Read ``path`` (Parquet, CSV or TSV with a column ``id``) for the rows ``ids``.

    NaN and infinities become nulls with a note: no metric of ours would print them as numbers.

    Raises:
        BadInputError: No file, no ``id``, repeated ids, no numeric column, a name that a metric
            already has, or no id in common.
    """
    table = _read(path)
    if "id" not in table.column_names:
        raise BadInputError(
            f"{path} has no column 'id' (it has {', '.join(table.column_names)}).",
            "Name the column that holds the sample ids 'id'.",
        )
    keys = table["id"].cast(pa.string()).to_pylist()
    place = {}
    for number, key in enumerate(keys):
        if key in place:
            raise BadInputError(
                f"{path}, row {number + 1}: id {key!r} occurs twice.", "Keep one row per id."
            )
        place[key] = number
    names = [n for n in table.column_names if n != "id" and _numeric(table.schema.field(n).type)]
    if not names:
        raise BadInputError(f"{path} has no numeric column beside 'id'.", "Import numbers.")
    clash = sorted(taken & set(names))
    if clash:
        raise BadInputError(
            f"{path}: the run already has a column {clash[0]!r}.",
            f"Rename it, for example to 'my_{clash[0]}'.",
        )
    index = np.array([place.get(i, -1) for i in ids], np.int64)
    matched = int((index >= 0).sum())
    if not matched:
        raise BadInputError(
            f"{path}: none of its {counted(len(keys), 'id')} is in the run "
            f"(first id there {next(iter(keys), None)!r}, here {next(iter(ids), None)!r}).",
            "Check that both come from the same data.",
        )
    notes: list[list[str]] = [["not in the imported file"] if i < 0 else [] for i in index]
    columns = {}
    for name in names:
        values = table[name].cast(pa.float64()).to_numpy(zero_copy_only=False)
        row_values = np.where(index >= 0, values[np.maximum(index, 0)], np.nan)
        finite = np.isfinite(row_values)
        for row in np.flatnonzero(~finite & (index >= 0)):
            notes[row].append(f"{name} is not a finite number")
        columns[name] = pa.array(np.where(finite, row_values, 0.0), mask=~finite)
    return Imported(columns, ["; ".join(n) or None for n in notes], matched, len(keys) - matched)


def _read(path: Path) -> pa.Table:
    try:
        if path.suffix.lower() in (".csv", ".tsv"):
            delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
            return pyarrow.csv.read_csv(
                path,
                parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter),
                convert_options=pyarrow.csv.ConvertOptions(column_types={"id": pa.string()}),
            )
        return pq.read_table(path)
    except FileNotFoundError as error:
        raise BadInputError(f"{path} does not exist.", "Check the path after --import.") from error
    except (pa.ArrowException, OSError) as error:
        raise BadInputError(
            f"{path} cannot be read as Parquet, CSV or TSV: {error}.", "Check the file."
        ) from error


def _numeric(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)
