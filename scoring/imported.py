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
    Whole numbers beyond 2^53 are rounded to the nearest float64.

    Raises:
        BadInputError: See :func:`imported_table`; a name that a metric already has; no id in
            common.
    """
    table = imported_table(path)
    keys = table["id"].to_pylist()
    place = {key: number for number, key in enumerate(keys)}
    names = [name for name in table.column_names if name != "id"]
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
        values = table[name].to_numpy(zero_copy_only=False)
        row_values = np.where(index >= 0, values[np.maximum(index, 0)], np.nan)
        finite = np.isfinite(row_values)
        for row in np.flatnonzero(~finite & (index >= 0)):
            notes[row].append(f"{name} is not a finite number")
        columns[name] = pa.array(np.where(finite, row_values, 0.0), mask=~finite)
    return Imported(columns, ["; ".join(n) or None for n in notes], matched, len(keys) - matched)


def imported_table(path: Path) -> pa.Table:
    """The file as it is before anything is scored: ``id`` as text, all else as float64.

    Raises:
        BadInputError: No file, no ``id``, a missing or repeated id, a column name that occurs
            twice, a column of text that looks like one of numbers, or no numeric column.
    """
    table = _read(path)
    names = table.column_names
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise BadInputError(f"{path} has two columns {repeated!r}.", "Keep or rename one of them.")
    if "id" not in names:
        raise BadInputError(
            f"{path} has no column 'id' (it has {', '.join(names)}).",
            "Name the column that holds the sample ids 'id'.",
        )
    try:
        keys = table["id"].cast(pa.string())
    except pa.ArrowException as error:
        raise BadInputError(
            f"{path}: the column 'id' holds {table['id'].type}, not text.", "Import ids as text."
        ) from error
    _refuse_repeated(path, keys.to_pylist())
    numeric = [n for n in names if n != "id" and _numeric(table.schema.field(n).type)]
    for name in names:
        if name not in ("id", *numeric):
            _refuse_spoilt_numbers(path, name, table[name])
    if not numeric:
        raise BadInputError(f"{path} has no numeric column beside 'id'.", "Import numbers.")
    columns = {name: table[name].cast(pa.float64(), safe=False) for name in numeric}
    return pa.table({"id": keys, **columns})


def _refuse_repeated(path: Path, keys: list[str | None]) -> None:
    seen: set[str] = set()
    for number, key in enumerate(keys, 1):
        if key is None:
            raise BadInputError(f"{path}, row {number}: the id is missing.", "Give it one.")
        if key in seen:
            raise BadInputError(
                f"{path}, row {number}: id {key!r} occurs twice.", "Keep one row per id."
            )
        seen.add(key)


def _refuse_spoilt_numbers(path: Path, name: str, column: pa.ChunkedArray) -> None:
    """One word among numbers makes a CSV column text; leaving it out would be a silent loss."""
    if not pa.types.is_string(column.type):
        return
    words = [(row, word) for row, word in enumerate(column.to_pylist(), 1) if word is not None]
    spoilt = [(row, word) for row, word in words if not _is_number(word)]
    if spoilt and 2 * len(spoilt) < len(words):
        row, word = spoilt[0]
        raise BadInputError(
            f"{path}, row {row}: {word!r} in the column {name!r} is no number.",
            "Leave the cell empty where there is no value, or take the column out.",
        )


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


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
