"""A plain table of metrics, for those who scored elsewhere: Parquet, CSV or TSV."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from data_cards.errors import BadInputError
from scoring.quality.label_rows import group_name


@dataclass(frozen=True)
class MetricTable:
    """Numbers by sample.

    Attributes:
        ids: n distinct ids.
        columns: Name to (n,) float64, NaN where missing; a list column ``v`` of k numbers gives
            ``v_1`` ... ``v_k``.
        vectors: Names of those that came from list columns.
        groups: Id to group, from the column that was named; ``None`` if none was.
    """

    ids: list[str]
    columns: dict[str, np.ndarray]
    vectors: tuple[str, ...]
    groups: dict[str, str | None] | None


def read_metric_table(path: Path, *, id: str = "id", group: str | None = None) -> MetricTable:
    """Read a table of metrics.

    Args:
        path: Parquet, CSV or TSV.
        id: The column that holds the sample ids.
        group: A column that names the group of each sample, null where it has none.

    Raises:
        BadInputError: If it cannot be read, a column is not there, or an id is missing or repeated.
    """
    table = _read(path, id)
    for name, option in ((id, "--id"), (group, "--group")):
        if name is not None and name not in table.column_names:
            raise BadInputError(
                f"{path} has no column {name!r} (it has {', '.join(table.column_names)}).",
                f"Name the right one with {option} COLUMN.",
            )
    ids = [group_name(value) for value in table[id].to_pylist()]
    seen: set[str] = set()
    checked: list[str] = []
    for number, id_ in enumerate(ids, 1):
        if id_ is None or id_ in seen:
            what = "has no id" if id_ is None else f"repeats the id {id_!r}"
            raise BadInputError(f"{path}, row {number} {what}.", "Give every sample its own id.")
        seen.add(id_)
        checked.append(id_)
    columns: dict[str, np.ndarray] = {}
    vectors: list[str] = []
    for field in table.schema:
        if field.name in (id, group):
            continue
        if _is_number(field.type):
            numbers = table[field.name].cast(pa.float64())
            columns[field.name] = numbers.to_numpy(zero_copy_only=False)
        elif _is_vector(field.type):
            wide = _spread(field.name, table[field.name].to_pylist(), path)
            columns |= wide
            vectors += wide
    groups = None
    if group is not None:
        names = [group_name(value) for value in table[group].to_pylist()]
        groups = dict(zip(checked, names, strict=True))
    return MetricTable(checked, columns, tuple(vectors), groups)


def _spread(name: str, rows: list[list[float] | None], path: Path) -> dict[str, np.ndarray]:
    widths = {len(row) for row in rows if row is not None}
    if len(widths) != 1:
        raise BadInputError(
            f"{path}: the lists of {name!r} differ in length.", "Leave the column out."
        )
    width = widths.pop()
    empty = [np.nan] * width
    matrix = np.array([row if row is not None else empty for row in rows], dtype=np.float64)
    return {f"{name}_{k + 1}": matrix[:, k] for k in range(width)}


def _read(path: Path, id: str) -> pa.Table:
    try:
        if path.suffix.lower() in (".csv", ".tsv"):
            delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
            return pyarrow.csv.read_csv(
                path,
                parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter),
                convert_options=pyarrow.csv.ConvertOptions(column_types={id: pa.string()}),
            )
        return pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise BadInputError(
            f"{path} cannot be read as Parquet, CSV or TSV: {error}.", "Check the file."
        ) from error


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)


def _is_vector(kind: pa.DataType) -> bool:
    lists = pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)
    return lists and _is_number(kind.value_type)
