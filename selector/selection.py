"""The answer of every way of choosing: who was picked, in order, and why the others were not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

STAGES = ("failed", "floored", "duplicate", "not chosen", "chosen")
"""The funnel, in order; every candidate ends in exactly one stage."""

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("stage", pa.string()),  # one of STAGES
        ("rank", pa.int64()),  # 1 = picked first; null unless chosen
        ("quality", pa.float64()),  # null where there is none; prune --by: the score ranked by
        ("cluster", pa.int32()),  # null for failed and floored rows
        (
            "cluster_rank",
            pa.int64(),
        ),  # 1 = best of its cluster; null likewise, and for exact copies
        ("reason", pa.string()),  # why chosen or why not, in words
        ("rival", pa.string()),  # duplicates: the id that stands for it; near-misses: the chosen
        ("similarity", pa.float64()),  # neighbour that beat it, and the cosine with it
    ]
)


@dataclass(frozen=True)
class Candidates:
    """What can be chosen from: n rows, in any order (the answer does not depend on it).

    Attributes:
        ids: n distinct ids.
        quality: (n,) float; higher is better; NaN where there is none.
        refused: n reasons, ``None`` where the row may be chosen. Read-errors and floors.
        failed: (n,) bool; true where ``refused`` is a read error, not a floor.
        image_vectors: (n, d) unit rows, float16 or float32, memory map or array; NaN rows where
            the sample has no image. ``None`` if there are none at all.
        text_vectors: The same for the response.
        content: n keys, equal where image and text are the same; ``None``: not known.
    """

    ids: np.ndarray
    quality: np.ndarray
    refused: np.ndarray
    failed: np.ndarray
    image_vectors: np.ndarray | None = None
    text_vectors: np.ndarray | None = None
    content: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Selection:
    """Ids in order of picking, and for every row not picked, why not.

    Attributes:
        table: One row per candidate with :data:`SCHEMA`: chosen rows first, by rank, then the
            rest by quality.
        parameters: Everything that made it: method, budget, seed, thresholds.
        quotas: Cluster to number of picks granted.
    """

    table: pa.Table
    parameters: Mapping[str, Any] = field(default_factory=dict)
    quotas: Mapping[int, int] = field(default_factory=dict)

    @property
    def ids(self) -> list[str]:
        """Chosen ids, first pick first."""
        chosen = self.table.filter(pc.equal(self.table["stage"], "chosen"))
        return chosen.sort_by("rank")["id"].to_pylist()

    def funnel(self) -> dict[str, int]:
        """Rows per stage, in the order of :data:`STAGES`."""
        counts = {
            row["values"]: row["counts"] for row in pc.value_counts(self.table["stage"]).to_pylist()
        }
        return {stage: counts.get(stage, 0) for stage in STAGES}
