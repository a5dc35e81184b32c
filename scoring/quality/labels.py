"""Labels: what training showed, for single samples or for whole groups of them."""

from __future__ import annotations

import difflib
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data_cards.errors import BadInputError
from scoring.quality.label_rows import (
    FORMATS,
    group_name,
    is_number,
    name_of,
    named_rows,
    number_of,
    read_content,
    read_membership,
)


@dataclass(frozen=True)
class Labels:
    """Labels by unit: a unit is what one label belongs to, a sample or a group of samples.

    Attributes:
        names: u names of units: sample ids or group names, sorted.
        values: (u,) finite labels; higher is better.
        weights: (u,) positive, mean 1; how far each label is to be trusted.
        members: u arrays of row positions in the run, in the order of the sample ids.
        blocks: u names; units with the same block are never split between fitting and judging.
        grouped: Whether a label belongs to a group.
        errors: (u,) standard errors of the labels, or ``None`` where they are not known.
        source: Where they come from, in words.
        overlapping: Whether groups may share samples.
    """

    names: tuple[str, ...]
    values: np.ndarray
    weights: np.ndarray
    members: tuple[np.ndarray, ...]
    blocks: tuple[str, ...]
    grouped: bool
    errors: np.ndarray | None = None
    source: str = ""
    overlapping: bool = False

    def __len__(self) -> int:
        return len(self.names)

    @property
    def unit(self) -> str:
        """What a label belongs to, in words."""
        return "group" if self.grouped else "sample"

    def digest(self) -> str:
        """SHA-256 of names and labels, in hexadecimal: which labels a model has seen."""
        text = json.dumps([self.names, self.values.tolist()])
        return hashlib.sha256(text.encode()).hexdigest()


def make_labels(
    values: Mapping[str, float],
    ids: Sequence[str],
    *,
    members: Mapping[str, Sequence[str]] | None = None,
    errors: Mapping[str, float] | None = None,
    weights: Mapping[str, float] | None = None,
    blocks: Mapping[str, str] | None = None,
    source: str = "labels",
    overlapping: bool = False,
) -> Labels:
    """Labels from plain mappings, checked against the ids of a run.

    Args:
        values: Sample id (or group name) to label.
        ids: The ids of the run, in its order.
        members: Group name to the ids of its samples; ``None``: the labels are per sample.
        errors: Name to the standard error of its label; its weight is then 1 / error².
        weights: Name to weight, where there is no standard error.
        blocks: Sample labels only: id to the group that it is cross-validated with.
        source: Named in messages.
        overlapping: Whether groups may share samples, as subsets drawn anew each time do.

    Raises:
        BadInputError: For labels that are no numbers, ids that the run does not know or that
            stand in two groups, groups of fewer than two samples, and bad weights.
    """
    place = {id_: row for row, id_ in enumerate(ids)}
    if len(place) < len(ids):
        raise BadInputError("The run holds an id twice.", "Score data with distinct ids.")
    names = tuple(sorted(values))
    labels = np.array([values[name] for name in names], dtype=np.float64)
    for name, value in zip(names, labels, strict=True):
        if not math.isfinite(value):
            raise BadInputError(
                f"{source}: the label of {name!r} is {value}.",
                "Leave out what has no label: a missing label is not a number.",
            )
    if members is None:
        _all_known(names, place, source)
        rows = tuple(np.array([place[name]], np.int64) for name in names)
    else:
        rows = _group_rows(names, members, place, source, overlapping)
    weight, error = _weights(names, weights, errors, source)
    block = tuple((blocks or {}).get(name, name) for name in names)
    grouped = members is not None
    return Labels(names, labels, weight, rows, block, grouped, error, source, overlapping)


def read_labels(
    path: Path,
    ids: Sequence[str],
    *,
    groups: Path | None = None,
    membership: Mapping[str, str | None] | None = None,
) -> Labels:
    """Read a file of labels for the samples ``ids`` of a run.

    Formats: rows ``id,label`` or ``group,label`` (CSV, TSV, Parquet, JSON, JSONL), each with an
    optional ``se`` (standard error) or ``weight``; a JSON object ``{"groups": [{"label": 1.5,
    "ids": ["a", "b"]}]}``, with ``"overlapping": true`` beside ``groups`` where they share samples;
    a JSON list of numbers, whose s-th belongs to group ``s``.

    Args:
        path: The labels.
        ids: The ids of the run, in its order.
        groups: A second file with rows ``id,group``: the members of each group.
        membership: The same as a mapping (a column of the scored table); ``None`` values belong
            to no group.

    Raises:
        BadInputError: Naming file and row, if they cannot be used.
    """
    content = read_content(path)
    if isinstance(content, dict):
        return _from_group_objects(content, path, ids)
    belongs = dict(membership) if membership is not None else None
    if groups is not None:
        belongs = read_membership(groups)
    if content and all(is_number(entry) for entry in content):
        content = [{"group": str(s), "label": entry} for s, entry in enumerate(content)]
    rows = named_rows(content, path)
    key = "id" if "id" in rows[0] else "group"
    if key not in rows[0] or "label" not in rows[0]:
        raise BadInputError(f"{path} has columns {', '.join(map(str, rows[0]))}.", FORMATS)
    values: dict[str, float] = {}
    extra: dict[str, dict[str, float]] = {"se": {}, "weight": {}}
    blocks: dict[str, str] = {}
    for number, row in enumerate(rows, 1):
        name = name_of(row.get(key), f"{path}, row {number}: {key}")
        if name in values:
            raise BadInputError(
                f"{path}, row {number}: {key} {name!r} occurs twice.", "Keep one label for each."
            )
        values[name] = number_of(row.get("label"), f"{path}, row {number}: the label of {name!r}")
        for column, found in extra.items():
            if column in rows[0]:
                found[name] = number_of(row.get(column), f"{path}, row {number}: {column}")
        if key == "id" and (block := group_name(row.get("group"))) is not None:
            blocks[name] = block
    if key == "id" and belongs is not None:
        blocks = {name: group for name in values if (group := belongs.get(name)) is not None}
    members: dict[str, list[str]] | None = None
    if key == "group":
        if belongs is None:
            raise BadInputError(
                f"{path} gives labels of groups, and nothing says which samples they hold.",
                "Give the members with --groups FILE (rows id,group) or --group COLUMN.",
            )
        members = {}
        for id_, group in belongs.items():
            if group is not None:
                members.setdefault(group, []).append(id_)
    return make_labels(
        values,
        ids,
        members=members,
        errors=extra["se"] or None,
        weights=extra["weight"] or None,
        blocks=blocks,
        source=str(path),
    )


def _from_group_objects(content: dict[str, Any], path: Path, ids: Sequence[str]) -> Labels:
    groups = content.get("groups")
    if not isinstance(groups, list) or not all(isinstance(g, dict) for g in groups) or not groups:
        raise BadInputError(f"{path} is a JSON object without a list 'groups'.", FORMATS)
    values: dict[str, float] = {}
    members: dict[str, list[str]] = {}
    extra: dict[str, dict[str, float]] = {"se": {}, "weight": {}}
    for number, group in enumerate(groups):
        where = f"{path}, group {number}"
        if not isinstance(group.get("ids"), list):
            raise BadInputError(f"{where} has no list 'ids'.", FORMATS)
        name = name_of(group.get("group", number), f"{where}: group")
        if name in values:
            raise BadInputError(f"{where}: group {name!r} occurs twice.", "Name each group once.")
        values[name] = number_of(group.get("label"), f"{where}: the label")
        members[name] = [name_of(id_, f"{where}: an id") for id_ in group["ids"]]
        for column, found in extra.items():
            if column in groups[0]:
                found[name] = number_of(group.get(column), f"{where}: {column}")
    return make_labels(
        values,
        ids,
        members=members,
        errors=extra["se"] or None,
        weights=extra["weight"] or None,
        source=str(path),
        overlapping=content.get("overlapping") is True,
    )


def _group_rows(
    names: Sequence[str],
    members: Mapping[str, Sequence[str]],
    place: Mapping[str, int],
    source: str,
    overlapping: bool,
) -> tuple[np.ndarray, ...]:
    home: dict[str, str] = {}
    rows = []
    for name in names:
        samples = sorted(members.get(name, ()))
        if not samples:
            raise BadInputError(
                f"{source}: no sample belongs to group {name!r}.",
                f"Groups with samples: {', '.join(sorted(members)[:10]) or 'none'}.",
            )
        _all_known(samples, place, f"{source}, group {name!r}")
        for id_ in samples:
            if id_ in home and (home[id_] == name or not overlapping):
                where = "twice" if home[id_] == name else f"in {home[id_]!r} as well"
                raise BadInputError(
                    f"{source}: sample {id_!r} stands in group {name!r} and {where}.",
                    "Groups must not share samples: one that is held out would not be unseen"
                    ' (subsets drawn to overlap say "overlapping": true in a JSON file of labels).',
                )
            home[id_] = name
        if len(samples) < 2:
            raise BadInputError(
                f"{source}: group {name!r} has one sample.",
                "Give labels per sample (columns id,label) instead, or larger groups.",
            )
        rows.append(np.array([place[id_] for id_ in samples], np.int64))
    return tuple(rows)


def _all_known(wanted: Sequence[str], place: Mapping[str, int], where: str) -> None:
    unknown = [id_ for id_ in wanted if id_ not in place]
    if not unknown:
        return
    near = difflib.get_close_matches(unknown[0], list(place)[:20_000], 1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    raise BadInputError(
        f"{where}: {len(unknown):,} of {len(wanted):,} ids are not in the run, "
        f"the first {unknown[0]!r}.",
        f"{hint}Check that the labels belong to this data (an id there: "
        f"{next(iter(place), None)!r}).",
    )


def _weights(
    names: Sequence[str],
    weights: Mapping[str, float] | None,
    errors: Mapping[str, float] | None,
    source: str,
) -> tuple[np.ndarray, np.ndarray | None]:
    known = errors or weights
    if not known:
        return np.ones(len(names)), None
    given = np.array([known.get(name, np.nan) for name in names], dtype=np.float64)
    if not (np.isfinite(given) & (given > 0)).all():
        bad = names[int(np.argmin(np.isfinite(given) & (given > 0)))]
        what = "standard error" if errors else "weight"
        raise BadInputError(f"{source}: the {what} of {bad!r} is not above 0.", "Mend it.")
    weight = 1 / given**2 if errors else given
    return weight / weight.mean(), given if errors else None
