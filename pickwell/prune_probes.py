"""The table of the probes: a block for each size, in order of the kept fraction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selector.prune.pilot import Pilot


def probe_blocks(pilot: Pilot) -> list[dict[str, Any]]:
    """What the probes measured, the largest size first, for that one decides.

    Args:
        pilot: The probes.

    Returns:
        For each size ``share`` (of the pictures that are not held out, in words), ``whole`` (true
        where that is all of them), ``pictures`` (how many before pruning) and its ``rows``, as
        :meth:`selector.prune.pilot.Pilot.table` has them, by kept fraction.
    """
    table = pilot.table()
    blocks = []
    for share in sorted({line["share"] for line in table}, reverse=True):
        rows = [line for line in table if line["share"] == share]
        rows.sort(key=lambda line: line["fraction"])  # strategies keep their order
        pictures = rows[0]["rows"]
        real = pictures / pilot.pool if pilot.pool else share
        blocks.append(
            {
                "share": f"{100 * real:.3g} %",
                "whole": real >= 1,
                "pictures": pictures,
                "rows": rows,
            }
        )
    return blocks
