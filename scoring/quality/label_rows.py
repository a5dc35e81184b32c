"""Rows of a file of labels, as plain values: CSV, TSV, Parquet, JSON and JSONL."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

from data_cards.errors import BadInputError

FORMATS = (
    "Labels are CSV, Parquet, JSON or JSONL with columns id,label (one per sample) or group,label "
    "(one per group); see docs/quality.md."
)


def read_content(path: Path) -> Any:
    """What a file holds: rows as mappings, or the JSON value as it stands."""
    suffix = path.suffix.lower()
    try:
        if suffix == ".json":
            return json.loads(path.read_text("utf-8"))
        if suffix in (".jsonl", ".ndjson"):
            return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line]
        if suffix in (".csv", ".tsv"):
            with path.open(encoding="utf-8-sig", newline="") as handle:
                return list(csv.DictReader(handle, delimiter="\t" if suffix == ".tsv" else ","))
        import pyarrow.parquet as pq

        return pq.read_table(path).to_pylist()
    except FileNotFoundError as error:
        raise BadInputError(f"{path} does not exist.", "Check the path of the labels.") from error
    except (OSError, ValueError, csv.Error) as error:  # pyarrow's and json's are ValueErrors
        raise BadInputError(f"{path} cannot be read: {error}.", FORMATS) from error


def read_membership(path: Path) -> dict[str, str | None]:
    """Id to group from rows ``id,group``; ``None`` where a sample belongs to none."""
    belongs: dict[str, str | None] = {}
    for number, row in enumerate(named_rows(read_content(path), path), 1):
        if "id" not in row or "group" not in row:
            raise BadInputError(
                f"{path} has columns {', '.join(map(str, row))}.",
                "Give rows id,group, one per sample.",
            )
        id_ = name_of(row["id"], f"{path}, row {number}: id")
        if id_ in belongs:
            raise BadInputError(
                f"{path}, row {number}: id {id_!r} occurs twice.",
                "Groups must not share samples: one that is held out would not be unseen.",
            )
        belongs[id_] = group_name(row["group"])
    return belongs


def named_rows(content: Any, path: Path) -> list[dict[str, Any]]:
    """The content as a list of mappings, or a message that names the row that is none."""
    if not isinstance(content, list) or not content:
        raise BadInputError(f"{path} holds no rows.", FORMATS)
    for number, row in enumerate(content, 1):
        if not isinstance(row, dict):
            raise BadInputError(f"{path}, row {number} is not a row with names.", FORMATS)
    return content


def group_name(value: Any) -> str | None:
    """The name of a group as text; whole floats lose their ".0", missing ones are ``None``."""
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def name_of(value: Any, where: str) -> str:
    """A name as text, or a message that says ``where`` it is missing."""
    name = group_name(value)
    if name is None:
        raise BadInputError(f"{where} is missing.", "Name every sample and group.")
    return name


def number_of(value: Any, where: str) -> float:
    """A number, or a message that says ``where`` there is none."""
    try:
        if value is None or value == "" or isinstance(value, bool):
            raise ValueError
        return float(value)
    except (TypeError, ValueError):
        raise BadInputError(f"{where} is {value!r}, no number.", "Leave the row out.") from None


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number (truth values are not)."""
    return isinstance(value, int | float) and not isinstance(value, bool)
