"""What can be learned from: columns that vary, labels that differ, enough of both."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from data_cards.errors import BadInputError
from scoring.quality.labels import Labels
from scoring.quality.model import FEWEST

FEWEST_LABELS = 10
FEWEST_BLOCKS = 5


def usable(
    features: Mapping[str, np.ndarray], labels: Labels, columns: Sequence[str] | None
) -> tuple[dict[str, np.ndarray], Labels, list[str]]:
    """Keep the columns that vary, and the labels whose samples have features.

    Args:
        features: Name to (N,) float columns of the run.
        labels: The labels.
        columns: The features that are wanted; ``None``: all.

    Returns:
        Name to (N,) columns with NaN for whatever is not finite, the labels that stay, and what
        was left out, in words.

    Raises:
        BadInputError: See :func:`scoring.quality.fit.fit_quality`.
    """
    notes: list[str] = []
    wanted = tuple(dict.fromkeys(columns if columns is not None else features))
    for name in wanted:
        if name not in features:
            near = difflib.get_close_matches(name, list(features), 1)
            raise BadInputError(
                f"There is no numeric column {name!r} to learn from.",
                f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(features)}.",
            )
    if not wanted:
        raise BadInputError("There is no numeric column to learn from.", "Score more metrics.")
    values = np.stack([np.asarray(features[c], dtype=np.float64) for c in wanted], axis=1)
    values = np.where(np.isfinite(values), values, np.nan)
    check_labels(labels)
    enough = (~np.isnan(values)).mean(axis=1) >= FEWEST
    members = tuple(rows[enough[rows]] for rows in labels.members)
    lost = sum(map(len, labels.members)) - sum(map(len, members))
    if lost:
        notes.append(f"{lost:,} labelled samples lack more than half of the features: left out.")
        keep = [u for u, rows in enumerate(members) if len(rows) >= (2 if labels.grouped else 1)]
        labels = _subset(labels, members, keep)
        check_labels(labels)
    seen = values[np.concatenate(labels.members)]
    kept = {
        name: values[:, c]
        for c, name in enumerate(wanted)
        if (there := seen[~np.isnan(seen[:, c]), c]).size and np.ptp(there) > 0
    }
    flat = [name for name in wanted if name not in kept]
    if not kept:
        raise BadInputError(
            f"No feature varies over the labelled samples ({', '.join(flat)}).",
            "Fit on other columns with --features, or label samples that differ.",
        )
    if flat:
        notes.append(f"Without variation over the labelled samples, left out: {', '.join(flat)}.")
    return kept, labels, notes


def _subset(labels: Labels, members: tuple[np.ndarray, ...], keep: list[int]) -> Labels:
    return replace(
        labels,
        names=tuple(labels.names[u] for u in keep),
        values=labels.values[keep],
        weights=labels.weights[keep] / (labels.weights[keep].mean() if keep else 1.0),
        members=tuple(members[u] for u in keep),
        blocks=tuple(labels.blocks[u] for u in keep),
        errors=None if labels.errors is None else labels.errors[keep],
    )


def check_labels(labels: Labels) -> None:
    """Refuse labels that nothing can be learned from.

    Raises:
        BadInputError: For fewer than 10 labels or 5 blocks, or labels that are all equal.
    """
    count, unit = len(labels), labels.unit
    if count < FEWEST_LABELS:
        raise BadInputError(
            f"{count} {unit}{'s' if count != 1 else ''} with a label: at least {FEWEST_LABELS} "
            "are needed.",
            "A quality fitted on fewer would be chance; make more labels.",
        )
    blocks = len(set(labels.blocks))
    if blocks < FEWEST_BLOCKS:
        raise BadInputError(
            f"The labels fall into {blocks} groups: cross-validation by group needs at least "
            f"{FEWEST_BLOCKS}.",
            "Give finer groups, or leave them out.",
        )
    if np.ptp(labels.values) <= 1e-12 * np.abs(labels.values).max():
        raise BadInputError(
            f"All {count} labels are equal ({labels.values[0]:g}): there is nothing to learn.",
            "Check the column 'label'.",
        )
